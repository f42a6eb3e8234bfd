#!/usr/bin/env bash
#
# Writes the bill of materials of both programs, bin/worker.cdx.json and bin/backfill.cdx.json (CycloneDX 1.6): the modules that are linked, with their hashes and the
# licences found in them, Go's standard library, and the ONNX Runtime library that goes beside them. The same commit gives the same bytes.
#
#   tools/sbom.sh [--check]      --check: the modules must be those of docs/licences.md, too
#
# CYCLONEDX and GO name the programs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${CYCLONEDX:=cyclonedx-gomod}" "${GO:=go}"
command -v "$GO" >/dev/null
mkdir -p bin
for program in worker backfill; do
  "$CYCLONEDX" app -json -licenses -assert-licenses -std -noserial -notimestamp -output-version 1.6 -main "cmd/$program" -output "bin/$program.cdx.json" . 2>/dev/null
done
ort=$(sed -n 's/^readonly version=//p' tools/fetch-ort.sh)
[ -n "$ort" ] || { echo "tools/fetch-ort.sh does not say its version" >&2; exit 1; }
python3 - "$ort" "${1:-}" <<'PY'
import json, re, sys

version, check = sys.argv[1:]
runtime = {
    "bom-ref": f"pkg:generic/onnxruntime@{version}", "type": "library", "name": "onnxruntime", "version": version, "scope": "required",
    "purl": f"pkg:generic/onnxruntime@{version}", "licenses": [{"license": {"id": "MIT"}}],
}
linked = set()
for program in ("worker", "backfill"):
    path = f"bin/{program}.cdx.json"
    bom = json.load(open(path))
    root = bom["metadata"]["component"]
    root["name"] = program
    modules = [c for c in bom["components"] if c["purl"].startswith("pkg:golang/") and c["name"] != "std"]
    linked |= {(c["name"], c["version"]) for c in modules}
    without = [c["name"] for c in modules if "hashes" not in c]
    if without:
        sys.exit(f"{path}: no hash of {without}")
    bom["components"].append(runtime)
    for d in bom["dependencies"]:
        if d["ref"] == root["bom-ref"]:
            d.setdefault("dependsOn", []).append(runtime["bom-ref"])
    bom["dependencies"].append({"ref": runtime["bom-ref"]})
    with open(path, "w") as out:
        json.dump(bom, out, indent=1)
        out.write("\n")
    print(f"{path}: {len(bom['components'])} components")
if check:
    listed = set(re.findall(r"^\| (\S+) \| (v\d\S*) \|", open("docs/licences.md").read(), re.M))
    if listed != linked:
        sys.exit(f"docs/licences.md and what is linked differ: {sorted(listed ^ linked)}")
PY
