#!/bin/sh
# An environment of their own for the peers of the benchmarks: peer_environment.sh FOLDER
# statsforecast pins pandas below what the product uses, so they never meet.
set -eu
folder=${1:?which folder?}
here=$(dirname "$0")
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --requirement "$here/peer_requirements.txt"
echo "made: export TIDECAST_PEERS=$folder"
