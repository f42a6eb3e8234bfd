#!/usr/bin/env bash
#
# fetch-readers.sh: put the Python packages of integration/readers, or of another directory, into the user cache and print their directory.
#
#   tools/fetch-readers.sh [--check] [directory with a requirements.txt]    (--check: only look; exit 1 with a line on stderr if they are not there)
#
# pip installs the pinned requirements into a directory of their own, to be put on PYTHONPATH: no virtual environment is
# needed and the machine's Python is not touched. The directory is named after the requirements and the Python that
# they were installed for, and appears in one rename. The last line on stdout is its absolute path.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
#   PYTHON          the Python to install for, default python3
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
check=
[ "${1:-}" != --check ] || { check=yes; shift; }
requirements=${1:-$here/../integration/readers}/requirements.txt
python=${PYTHON:-python3}

say() { printf 'fetch-readers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command -v "$python" >/dev/null || die "$python not found: install Python 3 with pip (Debian: apt-get install python3-pip)"
key=$("$python" -c 'import hashlib, platform, sys, sysconfig
print(sysconfig.get_config_var("SOABI") or platform.python_version(), hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:12], sep="-")' "$requirements")

cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/readers/$key
if [ -d "$dest" ]; then
  printf '%s\n' "$dest"
  exit 0
fi
[ -z "$check" ] || die "not in $dest"

"$python" -m pip --version >/dev/null 2>&1 ||
  die "$python has no pip: install it (Debian: apt-get install python3-pip), or name another Python with PYTHON=..."
mkdir -p "$cache/readers"
work=$(mktemp -d "$cache/readers/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "installing $(grep -v '^#' "$requirements" | paste -sd' ') into $dest"
PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check --no-warn-script-location --only-binary=:all: \
  --target "$work/packages" -r "$requirements" >&2 ||
  die "pip could not install the packages (its message is above)"

mv -T "$work/packages" "$dest" 2>/dev/null || [ -d "$dest" ] || die "could not rename $work/packages to $dest"
say "ready"
printf '%s\n' "$dest"
