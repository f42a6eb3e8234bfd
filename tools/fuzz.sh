#!/usr/bin/env bash
#
# Runs every fuzz target of the tree for a time each: tools/fuzz.sh 60s. A failing input is kept in the package's
# testdata/fuzz, where go test runs it from then on; interesting ones stay in Go's cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
each=${1:-60s}
failed=() count=0
while IFS=: read -r file name; do
  count=$((count + 1))
  printf '%s %s\n' "$(dirname "$file")" "$name"
  if ! out=$(${GO:-go} test -run '^$' -fuzz "^$name\$" -fuzztime "$each" -fuzzminimizetime 1x "./$(dirname "$file")" 2>&1); then
    printf '%s\n' "$out" | tail -n 40
    failed+=("$(dirname "$file") $name")
  fi
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/' | sort)
printf '%d fuzz targets, %s each, %d failed\n' "$count" "$each" "${#failed[@]}"
[ ${#failed[@]} -eq 0 ] || { printf 'failed: %s\n' "${failed[@]}" >&2; exit 1; }
