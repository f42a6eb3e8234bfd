#!/usr/bin/env bash
#
# Writes the bills of materials of both programs, CycloneDX 1.6: bin/worker.cdx.json and bin/backfill.cdx.json with the modules that are linked, their hashes and the licences found
# in them, Go's standard library, and the ONNX Runtime library that goes beside them; and bin/worker-cuda.cdx.json and bin/backfill-cuda.cdx.json with the GPU build of that library,
# CUDA and cuDNN in its place, as in the image for GPUs. worker-iceberg and the like are those of builds with Iceberg tables (make build ICEBERG=1). The same commit gives the same bytes.
#
#   tools/sbom.sh [--check]      --check: the modules must be those of docs/licences.md, too
#
# CYCLONEDX and GO name the programs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${CYCLONEDX:=cyclonedx-gomod}" "${GO:=go}"
command -v "$GO" >/dev/null
mkdir -p bin
said=$(mktemp)
trap 'rm -f "$said"' EXIT
# The go.mod that builds with Iceberg tables are linked with (tools/iceberg-modfile.sh) changes no version, and names a place in the user's cache.
for program in worker backfill; do
  for tags in '' iceberg; do
    GOFLAGS="${GOFLAGS:-}${tags:+ -tags=$tags}" "$CYCLONEDX" app -json -licenses -assert-licenses -std -noserial -notimestamp -output-version 1.6 -main "cmd/$program" -output "bin/$program${tags:+-$tags}.cdx.json" . 2>"$said" || { cat "$said" >&2; exit 1; }
  done
done
ort=$(sed -n 's/^readonly version=//p' tools/fetch-ort.sh)
[ -n "$ort" ] || { echo "tools/fetch-ort.sh does not say its version" >&2; exit 1; }
python3 - "$ort" "${1:-}" <<'PY'
import copy, json, re, sys

version, check = sys.argv[1:]

# Licences of the wheels of tools/ort-gpu: a wheel in no line has none that somebody has looked at. None of NVIDIA's is in SPDX's list.
CUDA = {"name": "NVIDIA CUDA Toolkit End User License Agreement", "url": "https://docs.nvidia.com/cuda/eula/"}
CUDNN = {"name": "License Agreement for NVIDIA Software Development Kits, cuDNN", "url": "https://docs.nvidia.com/deeplearning/cudnn/backend/latest/reference/eula.html"}
wheels = {"onnxruntime-gpu": {"id": "MIT"}, "nvidia-cudnn-cu12": CUDNN} | {
    f"nvidia-{part}-cu12": CUDA for part in ("cublas", "cuda-nvrtc", "cuda-runtime", "cufft", "curand", "nvjitlink")
}


def library(purl, licence, **more):
    name, version = purl.rpartition("/")[2].split("@")
    return {"bom-ref": purl, "type": "library", "name": name, "version": version, "scope": "required", "purl": purl, "licenses": [{"license": licence}], **more}


def cuda():
    """The wheels whose libraries the image for GPUs has; the hash is the wheel's."""
    for line in open("tools/ort-gpu/requirements.txt"):
        if line.strip() and not line.startswith("#"):
            name, version, digest = re.fullmatch(r"(\S+)==(\S+) --hash=sha256:([0-9a-f]{64})\n", line).groups()
            if name not in wheels:
                sys.exit(f"tools/sbom.sh does not know the licence of {name}")
            yield library(f"pkg:pypi/{name}@{version}", wheels[name], hashes=[{"alg": "SHA-256", "content": digest}])


def write(path, bom, runtime):
    bom = copy.deepcopy(bom)
    root = bom["metadata"]["component"]["bom-ref"]
    bom["components"] += runtime
    for d in bom["dependencies"]:
        if d["ref"] == root:
            d.setdefault("dependsOn", []).extend(c["bom-ref"] for c in runtime)
    bom["dependencies"] += [{"ref": c["bom-ref"]} for c in runtime]
    with open(path, "w") as out:
        json.dump(bom, out, indent=1)
        out.write("\n")
    print(f"{path}: {len(bom['components'])} components")


# What is linked without Iceberg tables, and with them, with licences as tools/licences reads them.
first, _, second = open("docs/licences.md").read().partition("\n## With Iceberg tables\n")
rows = [{(m, v): licence.split(", ") for m, v, licence in re.findall(r"^\| (\S+) \| (v\d\S*) \| (.*) \|$", part, re.M)} for part in (first, second)]
for variant, listed in (("", rows[0]), ("-iceberg", rows[0] | rows[1])):
    linked = set()
    for program in ("worker", "backfill"):
        path = f"bin/{program}{variant}.cdx.json"
        bom = json.load(open(path))
        bom["metadata"]["component"]["name"] = program
        modules = [c for c in bom["components"] if c["purl"].startswith("pkg:golang/") and c["name"] != "std"]
        linked |= {(c["name"], c["version"]) for c in modules}
        without = [c["name"] for c in modules if "hashes" not in c]
        if without:
            sys.exit(f"{path}: no hash of {without}")
        for c in modules:  # texts that it does not know
            if "licenses" not in c and (c["name"], c["version"]) in listed:
                c["licenses"] = [{"license": {"id": i}} for i in listed[c["name"], c["version"]]]
        write(path, bom, [library(f"pkg:generic/onnxruntime@{version}", {"id": "MIT"})])
        write(f"bin/{program}{variant}-cuda.cdx.json", bom, list(cuda()))
    if check and set(listed) != linked:
        sys.exit(f"docs/licences.md and what is linked{variant and ' with Iceberg tables'} differ: {sorted(set(listed) ^ linked)}")
PY
