#!/bin/sh
# Makes the virtual environment $1 and installs what the lock file $2 names, then the project itself.
set -eu
venv=$1 lock=$2

python=${PYTHON3:-python3}
if ! command -v "$python" >/dev/null; then
    echo "Tidecast needs Python 3.11 or newer; install it, e.g. with: apt-get install python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Tidecast needs Python 3.11 or newer; this is $("$python" --version)" >&2
    exit 1
fi

if [ ! -x "$venv/bin/python" ]; then
    if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip "$venv" # pip below installs into it from outside
    elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing python3-venv"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
        "$python" -m venv "$venv"
    else
        echo "python3 has neither venv nor pip; install it with: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi

if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    pip() { "$venv/bin/python" -m pip "$@"; }
else
    pip() { "$python" -m pip --python "$venv/bin/python" "$@"; }
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
echo "installing the dependencies of $lock"
pip install --quiet --require-hashes --requirement "$lock"
pip install --quiet --no-deps --no-build-isolation --editable .
