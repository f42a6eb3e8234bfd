#!/usr/bin/env bash
# Prints the Python that has requirements.txt: $PYTHON if that is set, or one of a virtual environment in the user's cache, made at the first call (7 GB).
#
#   venv.sh [NAME REQUIREMENTS]    (of another environment, with that list)
#
# An environment whose list has changed since is brought up to it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=${1:-venv} requirements=${2:-$here/requirements.txt}
venv=${VECMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vecmill}/exports/$name
if [[ $# == 0 && -n ${PYTHON:-} ]]; then
  printf '%s\n' "$PYTHON"
  exit
fi
if ! cmp -s "$requirements" "$venv/requirements.txt"; then
  "$venv/bin/python" -m pip --version &>/dev/null || python3 -m venv "$venv" # also one that was half made
  "$venv/bin/python" -m pip install --quiet -r "$requirements" >&2
  cp "$requirements" "$venv/requirements.txt"
fi
printf '%s\n' "$venv/bin/python"
