#!/usr/bin/env bash
#
# fetch-kafka.sh: put the jars of a single-node Apache Kafka into the user cache and print their directory.
#
#   tools/fetch-kafka.sh [--check]      (--check: only look; exit 1 with a line on stderr if they are not there)
#
# The versions are those of tools/kafka/pom.xml; Maven checks the checksums that its repository publishes. The directory
# appears under its final name in one rename. The last line on stdout is its absolute path; all else goes to stderr.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pom=$here/kafka/pom.xml

say() { printf 'fetch-kafka: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

version=$(sed -n 's:.*<kafka\.version>\(.*\)</kafka\.version>.*:\1:p' "$pom")
[ -n "$version" ] || die "no kafka.version in $pom"

cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/kafka/$version
if compgen -G "$dest/kafka_2.13-$version.jar" >/dev/null; then
  printf '%s\n' "$dest"
  exit 0
fi

[ "${1:-}" != --check ] || die "not in $dest"

command -v java >/dev/null || die "java not found: install a JDK or JRE, 17 or newer (Debian: apt-get install openjdk-17-jre-headless)"
command -v mvn >/dev/null || die "mvn not found: install Maven (Debian: apt-get install maven)"

mkdir -p "$cache/kafka"
work=$(mktemp -d "$cache/kafka/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching Apache Kafka $version (44 MB of jars) into $dest"
# The pom is read from a copy, so that Maven writes its target directory there and not into the source tree.
mkdir "$work/pom" "$work/lib"
cp "$pom" "$work/pom/"
mvn --batch-mode --quiet --strict-checksums -f "$work/pom/pom.xml" \
  org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$work/lib" >&2 ||
  die "Maven could not fetch Kafka $version (its message is above)"
[ -s "$work/lib/kafka_2.13-$version.jar" ] || die "Maven left no kafka_2.13-$version.jar behind"

chmod 755 "$work/lib"
# -T: when another run won the race, fail instead of moving into its directory; its jars are the same.
mv -T "$work/lib" "$dest" 2>/dev/null || [ -s "$dest/kafka_2.13-$version.jar" ] || die "could not rename $work/lib to $dest"
say "ready"
printf '%s\n' "$dest"
