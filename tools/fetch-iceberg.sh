#!/usr/bin/env bash
#
# fetch-iceberg.sh: put an Iceberg REST catalog and the Python packages of pyiceberg into the user cache and print their directory.
#
#   tools/fetch-iceberg.sh [--check]    (--check: only look; exit 1 with a line on stderr if they are not there)
#
# The catalog is tools/iceberg, built by Maven with the versions of its pom.xml; the packages are those of integration/iceberg/requirements.txt. The directory has
# lib/*.jar and python/, is named after all of that, and appears in one rename. The last line on stdout is its absolute path; all else goes to stderr.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
#   PYTHON          the Python to install for, default python3
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/../integration/iceberg/requirements.txt
python=${PYTHON:-python3}

say() { printf 'fetch-iceberg: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

command -v "$python" >/dev/null || die "$python not found: install Python 3 with pip (Debian: apt-get install python3-pip)"
abi=$("$python" -c 'import platform, sysconfig; print(sysconfig.get_config_var("SOABI") or platform.python_version())')
sum=$(cat "$here/iceberg/pom.xml" "$here/iceberg/src/main/java/Main.java" "$requirements" | sha256sum | cut -c1-12)

cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/iceberg/$abi-$sum
if [ -d "$dest/lib" ] && [ -d "$dest/python/pyiceberg" ]; then
  printf '%s\n' "$dest"
  exit 0
fi
[ "${1:-}" != --check ] || die "not in $dest"

command -v javac >/dev/null || die "javac not found: install a JDK, 17 or newer (Debian: apt-get install openjdk-17-jdk-headless)"
command -v mvn >/dev/null || die "mvn not found: install Maven (Debian: apt-get install maven)"
"$python" -m pip --version >/dev/null 2>&1 || die "$python has no pip: install it (Debian: apt-get install python3-pip)"
mkdir -p "$cache/iceberg"
work=$(mktemp -d "$cache/iceberg/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "building the catalog and installing pyiceberg into $dest (120 MB)"
cp -r "$here/iceberg" "$work/pom" # Maven writes its target directory there and not into the source tree
mkdir -p "$work/out/lib"
mvn --batch-mode --quiet --strict-checksums -f "$work/pom/pom.xml" \
  org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/out/lib" >&2 ||
  die "Maven could not fetch the catalog's jars (its message is above)"
mkdir "$work/classes"
javac -nowarn -d "$work/classes" -cp "$work/out/lib/*" "$work/pom/src/main/java/Main.java" >&2 || die "the catalog does not compile"
cp -r "$work/classes" "$work/out/classes"
PIP_ROOT_USER_ACTION=ignore "$python" -m pip install --quiet --disable-pip-version-check --no-warn-script-location --only-binary=:all: \
  --target "$work/out/python" -r "$requirements" >&2 ||
  die "pip could not install the packages (its message is above)"

chmod 755 "$work/out"
mv -T "$work/out" "$dest" 2>/dev/null || [ -d "$dest/lib" ] || die "could not rename $work/out to $dest"
say "ready"
printf '%s\n' "$dest"
