#!/usr/bin/env bash
# Our graphs against torch's exports of the same weights. Makes what it needs in the user's cache (about 9 GB, once): a Python environment
# ($PYTHON names another that has requirements.txt) and the exports.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vecmill}/exports
mkdir -p "$cache"
PYTHON=$("$here/venv.sh")
if [[ ! -e $cache/base/complete ]]; then
  "$PYTHON" "$here/export.py" --base "$cache/base"
  touch "$cache/base/complete"
fi
VECMILL_BENCH_GRAPHS=$cache/base exec "${GO:-go}" test -run '^$' -bench Graphs -benchtime "${TURNS:-20}x" -timeout 60m "$here/../../embed/embedtest/exported"
