#!/usr/bin/env bash
#
# fetch-versitygw.sh: build the pinned versitygw, an S3 server on a POSIX directory, into the user cache and print its path.
#
#   tools/fetch-versitygw.sh [--check]  (--check: only look; exit 1 with a line on stderr if it is not there)
#
# The Go module proxy's checksum database vouches for the source. The first build takes about two minutes of CPU.
# The last line on stdout is the program's absolute path; all else goes to stderr.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
set -euo pipefail

readonly version=v1.8.0

say() { printf 'fetch-versitygw: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/versitygw/$version
if [ -x "$dest/versitygw" ]; then
  printf '%s\n' "$dest/versitygw"
  exit 0
fi

[ "${1:-}" != --check ] || die "not in $dest"

command -v go >/dev/null || die "go not found: install Go 1.26 or newer"
mkdir -p "$dest"
work=$(mktemp -d "$dest/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "building versitygw $version into $dest (about two minutes of CPU the first time)"
# From an empty directory, so that no go.mod or vendor directory of the caller takes part; never with the caller's flags for tests.
(cd "$work" && GOFLAGS=-buildvcs=false GOWORK=off GOBIN=$work go install "github.com/versity/versitygw/cmd/versitygw@$version") >&2 ||
  die "go install of versitygw $version failed (its message is above)"
mv -f "$work/versitygw" "$dest/versitygw"
say "ready"
printf '%s\n' "$dest/versitygw"
