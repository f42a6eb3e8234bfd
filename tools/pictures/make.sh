#!/usr/bin/env bash
#
# Makes embed/image/testdata/foreign and what Pillow reads of it (foreign.txt, reduced.txt, draft.txt) again.
#
# Needs the programs of Debian's packages imagemagick, libjpeg-turbo-progs, webp, gifsicle and libtiff-tools; Pillow is fetched at its pinned
# version. Other versions of the programs write other bytes: commit the result whole.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for program in convert cjpeg jpegtran cwebp gif2webp gifsicle tiffcp; do
  command -v "$program" >/dev/null ||
    { echo "make.sh: $program not found: apt-get install imagemagick libjpeg-turbo-progs webp gifsicle libtiff-tools" >&2; exit 1; }
done
packages=$(tools/fetch-decode-peers.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf embed/image/testdata/foreign
mkdir embed/image/testdata/foreign
PYTHONPATH=$packages python3 tools/pictures/make.py "$PWD/embed/image/testdata/foreign" "$work"
