#!/usr/bin/env bash
#
# iceberg-modfile.sh: write a go.mod with which both Arrow versions link into one program, and print its path for go build -modfile FILE -tags iceberg.
#
# arrow/go/v17 (ours) and arrow-go/v18 (iceberg-go's) each define the assembly symbols clib._memcpy and clib._memset, and the linker refuses two of them.
# The file is this module's go.mod with v18 replaced by a copy in the user cache, in which the two are marked DUPOK: the linker then takes either, and they are the
# same code. Nothing else differs.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
#   GO              the go command, default go
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}/arrow
go=${GO:-go}
arrow=github.com/apache/arrow-go/v18
"$go" mod download "$arrow" >&2
from=$("$go" list -m -f '{{.Dir}}' "$arrow")
to=$cache/$(basename "$from")
mkdir -p "$cache"
if [ ! -d "$to" ]; then
  work=$(mktemp -d "$cache/.copy.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cp -r "$from" "$work/arrow"
  chmod -R u+w "$work/arrow"
  files=$(grep -rl --include='*.s' '^TEXT clib·' "$work/arrow") || { echo "iceberg-modfile: no symbols of clib in $arrow: this is not needed any more" >&2; exit 1; }
  printf '%s\n' "$files" | while IFS= read -r f; do
    sed -i 's/^TEXT clib·\(_[a-z]*\)(SB), \$/TEXT clib·\1(SB), DUPOK, $/' "$f"
  done
  mv -T "$work/arrow" "$to" 2>/dev/null || [ -d "$to" ]
fi
work2=$(mktemp -d "$cache/.mod.XXXXXX")
trap 'rm -rf "${work:-$work2}" "$work2"' EXIT
cp go.mod "$work2/go.mod"
printf '\nreplace %s => %s\n' "$arrow" "$to" >>"$work2/go.mod"
sum=$(cat "$work2/go.mod" go.sum | sha256sum | cut -c1-16) # worktrees with other requirements have files of their own
cp go.sum "$work2/go.sum"
mv "$work2/go.sum" "$cache/iceberg-$sum.sum"
mv "$work2/go.mod" "$cache/iceberg-$sum.mod"
printf '%s\n' "$cache/iceberg-$sum.mod"
