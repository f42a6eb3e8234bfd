#!/usr/bin/env bash
#
# fetch-debezium.sh: build Debezium's engine with its connector for PostgreSQL into the user cache and print its directory, which has lib/*.jar and classes.
#
#   tools/fetch-debezium.sh [--check]    (--check: only look; exit 1 with a line on stderr if it is not there)
#
# The versions are those of tools/debezium/pom.xml; Maven checks the checksums that its repository publishes. The directory is named after what it is built of
# and appears in one rename. The last line on stdout is its absolute path.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'fetch-debezium: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

sum=$(cat "$here/debezium/pom.xml" "$here/debezium/src/main/java/Main.java" | sha256sum | cut -c1-12)
cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/debezium/$sum
if [ -d "$dest/classes" ]; then
  printf '%s\n' "$dest"
  exit 0
fi
[ "${1:-}" != --check ] || die "not in $dest"

command -v javac >/dev/null || die "javac not found: install a JDK, 17 or newer (Debian: apt-get install openjdk-17-jdk-headless)"
command -v mvn >/dev/null || die "mvn not found: install Maven (Debian: apt-get install maven)"
mkdir -p "$cache/debezium"
work=$(mktemp -d "$cache/debezium/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "building Debezium into $dest (36 MB of jars)"
cp -r "$here/debezium" "$work/pom" # Maven writes its target directory there and not into the source tree
mkdir -p "$work/out/lib"
mvn --batch-mode --quiet --strict-checksums -f "$work/pom/pom.xml" \
  org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/out/lib" >&2 ||
  die "Maven could not fetch the jars (its message is above)"
javac -nowarn -d "$work/out/classes" -cp "$work/out/lib/*" "$work/pom/src/main/java/Main.java" >&2 || die "Main.java does not compile"

chmod 755 "$work/out"
mv -T "$work/out" "$dest" 2>/dev/null || [ -d "$dest/classes" ] || die "could not rename $work/out to $dest"
say "ready"
printf '%s\n' "$dest"
