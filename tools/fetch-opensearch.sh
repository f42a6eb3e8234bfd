#!/usr/bin/env bash
#
# fetch-opensearch.sh: put a single-node OpenSearch with its k-NN plugin into the user cache and print its directory.
#
#   tools/fetch-opensearch.sh [--check]    (--check: only look; exit 1 with a line on stderr if it is not there)
#
# It is tools/opensearch, built by Maven with the versions of its pom.xml. The directory has lib/*.jar and classes/, is named after all of that, and appears in one rename.
# The last line on stdout is its absolute path; all else goes to stderr.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'fetch-opensearch: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

sum=$(cat "$here/opensearch/pom.xml" "$here/opensearch/src/main/java/Main.java" | sha256sum | cut -c1-12)
cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/opensearch/$sum
if [ -d "$dest/lib" ]; then
  printf '%s\n' "$dest"
  exit 0
fi
[ "${1:-}" != --check ] || die "not in $dest"

command -v javac >/dev/null || die "javac not found: install a JDK, 17 or newer (Debian: apt-get install openjdk-17-jdk-headless)"
command -v mvn >/dev/null || die "mvn not found: install Maven (Debian: apt-get install maven)"
mkdir -p "$cache/opensearch"
work=$(mktemp -d "$cache/opensearch/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching OpenSearch into $dest (53 MB)"
cp -r "$here/opensearch" "$work/pom" # Maven writes its target directory there and not into the source tree
mkdir -p "$work/out/lib" "$work/out/classes" "$work/plugin"
mvn --batch-mode --quiet --strict-checksums -f "$work/pom/pom.xml" \
  org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/out/lib" >&2 ||
  die "Maven could not fetch the server's jars (its message is above)"
(cd "$work/plugin" && jar xf "$work"/out/lib/opensearch-knn-*.zip) # a plugin comes as its jars in a zip
rm "$work"/out/lib/*.zip
mv "$work"/plugin/*.jar "$work/out/lib/"
javac -nowarn -d "$work/out/classes" -cp "$work/out/lib/*" "$work/pom/src/main/java/Main.java" >&2 || die "the node does not compile"

chmod 755 "$work/out"
mv -T "$work/out" "$dest" 2>/dev/null || [ -d "$dest/lib" ] || die "could not rename $work/out to $dest"
say "ready"
printf '%s\n' "$dest"
