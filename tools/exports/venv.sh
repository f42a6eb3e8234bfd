#!/usr/bin/env bash
# Prints the Python that has requirements.txt: $PYTHON if that is set, or one of a virtual environment in the user's cache, made at the first call (7 GB).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${VECMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vecmill}/exports/venv
if [[ -z ${PYTHON:-} ]]; then
  PYTHON=$venv/bin/python
  if [[ ! -x $PYTHON ]]; then
    python3 -m venv "$venv"
    "$PYTHON" -m pip install --quiet -r "$here/requirements.txt" >&2
  fi
fi
printf '%s\n' "$PYTHON"
