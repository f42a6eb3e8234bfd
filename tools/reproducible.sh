#!/usr/bin/env bash
#
# Builds both programs from two fresh clones of HEAD, in different directories, and compares the bytes. The work in progress is not looked at. GO names the program.
#
#   tools/reproducible.sh          each with an empty build cache: everything is compiled twice, the standard library too, which takes minutes
#   tools/reproducible.sh --ours   with the user's build cache: what is ours is compiled anew in the second place, at another time, and the rest comes from
#                                  the cache: it is pinned by go.sum, and its compiling knows of no place (-trimpath).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${GO:=go}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
one=$work/one two=$work/somewhere/else stamp=$(date +%s.%N)

# estrange CLONE: ends every Go file in a comment that no other build has, so that nothing that the cache has was made of it. What is compiled of it is the same: no line moves, and git is told
# to see no change, or the build would be stamped as modified. Files with C in them stay: cgo makes names of their bytes; their package has others. So does cmd: a program's
# build ID has a hash of its main package's files.
estrange() {
  git -C "$1" ls-files '*.go' ':!cmd' | (cd "$1" && xargs grep -L '^import "C"$' || true) >"$work/files" # versions of grep differ in how they end then
  git -C "$1" update-index --assume-unchanged --stdin <"$work/files"
  while read -r file; do
    printf '\n// Compiled at %s.\n' "$stamp" >>"$1/$file"
  done <"$work/files"
}

# build CLONE: with the names of what is compiled on standard output.
build() { GOFLAGS="${GOFLAGS:-} -v" make -C "$1" build GO="$GO" VERSION=reproducible 2>&1 | tee >(cat >&2); } # /dev/stderr would be opened anew, and emptied where it is a file

git clone --quiet --no-hardlinks . "$one"
git clone --quiet --no-hardlinks . "$two"
if [ "${1:-}" = --ours ]; then
  build "$one" >/dev/null
  estrange "$two"
  build "$two" >"$work/compiled"
  (cd "$two" && "$GO" list -deps ./cmd/worker ./cmd/backfill | grep '^vecmill/' | grep -v '^vecmill/cmd/') | sort >"$work/ours"
  if missed=$(comm -23 "$work/ours" <(sort -u "$work/compiled")) && [ -n "$missed" ]; then
    printf 'not compiled anew, which proves nothing of them:\n%s\n' "$missed" >&2
    exit 1
  fi
else
  for at in "$one" "$two"; do
    GOCACHE=$work/cache build "$at" >/dev/null
    rm -rf "$work/cache"
  done
fi
for program in worker backfill; do
  cmp "$one/bin/$program" "$two/bin/$program" || { echo "two builds of $program differ" >&2; exit 1; }
done
(cd "$one/bin" && sha256sum worker backfill)
