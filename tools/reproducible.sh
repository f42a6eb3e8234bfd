#!/usr/bin/env bash
#
# Builds both programs from two fresh clones of HEAD, in different directories and with build caches of their own, and compares the bytes. The work in progress is not
# looked at. Takes the time of two whole builds. GO names the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${GO:=go}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for at in "$work/one" "$work/somewhere/else"; do
  git clone --quiet --no-hardlinks . "$at"
  GOCACHE=$work/cache make -C "$at" build GO="$GO" VERSION=reproducible >&2
  rm -rf "$work/cache"
done
for program in worker backfill; do
  cmp "$work/one/bin/$program" "$work/somewhere/else/bin/$program" || { echo "two builds of $program differ" >&2; exit 1; }
done
(cd "$work/one/bin" && sha256sum worker backfill)
