#!/usr/bin/env bash
#
# vulnerabilities.sh: known vulnerabilities in what the packages call, by govulncheck; with what only builds with Iceberg tables have (make build ICEBERG=1).
#
#   tools/vulnerabilities.sh [PACKAGES]      (default: ./...)
#
# Exit codes: 0 none is known; 3 some are, and are listed; 4 the database was not reached, so nothing is known; 1 everything else.
#
# Environment:
#   GOVULNCHECK   the program, default govulncheck
#   GOVULNDB      the database, https:// or file://; unset: govulncheck's own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${GOVULNCHECK:=govulncheck}"
said=$(mktemp)
trap 'rm -f "$said"' EXIT
[ $# -gt 0 ] || set -- ./...
rc=0
"$GOVULNCHECK" -tags iceberg ${GOVULNDB:+-db "$GOVULNDB"} "$@" 2>"$said" || rc=$?
cat "$said" >&2
if [ "$rc" -eq 1 ] && grep -qE 'fetching vulnerabilities|creating client' "$said"; then
  printf 'vulnerabilities: the database%s was not reached, so nothing was checked; GOVULNDB names another one, file:// too\n' "${GOVULNDB:+ $GOVULNDB}" >&2
  exit 4
fi
exit "$rc"
