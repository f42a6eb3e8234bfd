#!/usr/bin/env bash
# Prints KenLM's build_binary, which beams.py calls: built at the first call into the user's cache from the source archive of the version in requirements-lm.txt. Needs pip, a compiler of C++ and zlib's headers.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wanted=$(grep '^kenlm==' "$here/requirements-lm.txt")
dest=${VECMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vecmill}/kenlm/${wanted#kenlm==}/build_binary
if [[ ! -x $dest ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary kenlm --dest "$work" "$wanted" >&2
  tar -xzf "$work"/kenlm-*.tar.gz -C "$work"
  cd "$work"/kenlm-*/
  mapfile -t sources < <(ls lm/*.cc util/*.cc util/double-conversion/*.cc | grep -Ev '_(main|test|benchmark)(_main)?\.cc$')
  mkdir -p "$(dirname "$dest")"
  c++ -O2 -w -DKENLM_MAX_ORDER=6 -DHAVE_ZLIB -I. -o "$work/build_binary" lm/build_binary_main.cc "${sources[@]}" -lz -lpthread >&2
  mv "$work/build_binary" "$dest"
fi
printf '%s\n' "$dest"
