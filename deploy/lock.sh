#!/bin/sh
# Resolves the dependencies into requirements.lock (to run), requirements-dev.lock (to work on it) and
# requirements-soak.lock (what `make soak` needs besides).
# The files hold versions and hashes and no address, so that any index with the same packages serves.
set -eu
common="--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade"
uv pip compile $common --group build pyproject.toml -o requirements.lock
uv pip compile $common --group build --group dev --all-extras -c requirements.lock pyproject.toml -o requirements-dev.lock
uv pip compile $common --group soak -c requirements-dev.lock -o requirements-soak.lock
