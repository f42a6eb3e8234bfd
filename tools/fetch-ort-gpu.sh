#!/usr/bin/env bash
#
# fetch-ort-gpu.sh: put the GPU build of ONNX Runtime, with the CUDA and cuDNN libraries that it loads, into the user cache and print the library's path.
#
#   eval "$(tools/fetch-ort-gpu.sh --env)"       (VECMILL_ORT_LIB and LD_LIBRARY_PATH for worker, doctor and tests)
#
# The libraries come out of wheels, pinned by tools/ort-gpu/requirements.txt with their sha256 and fetched with `pip download`: nothing is installed. They
# lie in one directory (3 GB), which has to be on LD_LIBRARY_PATH, because none of them knows where the others are. The driver (libcuda.so.1) is the machine's
# own. TensorRT is not among them: its libnvinfer.so.10 must come from the machine. The licences of each wheel lie beside them, in licences/: NVIDIA's are its own.
#
# The last line on stdout is the library's absolute path, or with --env the two settings; all else goes to stderr. Exit codes: 0 done, 1 failed.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
#   PYTHON          the Python whose pip is used, default python3
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly requirements=$here/ort-gpu/requirements.txt
python=${PYTHON:-python3}

say() { printf 'fetch-ort-gpu: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

version=$(sed -n 's/^onnxruntime-gpu==\([^ ]*\).*/\1/p' "$requirements")
lib=libonnxruntime.so.$version
[ "$(uname -sm)" = "Linux x86_64" ] || die "the pinned libraries are for Linux on x86_64, and this is $(uname -sm)"

cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/onnxruntime-gpu/$version-$(sha256sum "$requirements" | cut -c1-12)

result() {
  if [ "${1:-}" = --env ]; then
    printf 'export VECMILL_ORT_LIB=%q LD_LIBRARY_PATH=%q\n' "$dest/$lib" "$dest${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  else
    printf '%s\n' "$dest/$lib"
  fi
}

if [ -s "$dest/$lib" ] && [ -d "$dest/licences" ]; then
  result "$@"
  exit 0
fi

"$python" -m pip --version >/dev/null 2>&1 ||
  die "$python has no pip: install it (Debian: apt-get install python3-pip), or name another Python with PYTHON=..."
mkdir -p "$(dirname "$dest")"
work=$(mktemp -d "$(dirname "$dest")/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching ONNX Runtime $version for NVIDIA GPUs, CUDA 12 and cuDNN 9 (1.9 GB) into $dest"
TMPDIR=$work "$python" -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: --require-hashes \
  --implementation cp --python-version 3.11 --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 \
  --dest "$work/wheels" -r "$requirements" >&2 ||
  die "pip could not download the wheels (its message is above)"

mkdir "$work/lib"
for wheel in "$work"/wheels/*.whl; do
  "$python" - "$wheel" "$work/lib" >&2 <<'PY' || die "unpacking $(basename "$wheel") failed"
import os, re, shutil, sys, zipfile

wheel, out = sys.argv[1:]
project, version = os.path.basename(wheel).split("-")[:2]
texts = 0
with zipfile.ZipFile(wheel) as z:
    for m in z.namelist():
        name = os.path.basename(m)
        if re.fullmatch(r"lib[^/]*\.so[0-9.]*", name):
            to, mode = os.path.join(out, name), 0o755
        elif re.fullmatch(r"(?i)(licen[cs]e|thirdpartynotices|notice|eula)(\.txt)?", name):
            to, mode = os.path.join(out, "licences", f"{project}@{version}", name), 0o644
            if os.path.exists(to):
                sys.exit(f"two texts are named {name}")
            os.makedirs(os.path.dirname(to), exist_ok=True)
            texts += 1
        else:
            continue
        with z.open(m) as src, open(to, "wb") as dst:
            shutil.copyfileobj(src, dst)
        os.chmod(to, mode)
if not texts:
    sys.exit("the wheel has no licence")
PY
  rm "$wheel"
done
[ -s "$work/lib/$lib" ] || die "the wheels do not hold $lib"

[ ! -d "$dest" ] || mv -T "$dest" "$work/old" # from before licences were laid beside it
mv -T "$work/lib" "$dest" 2>/dev/null || [ -s "$dest/$lib" ] || die "could not rename $work/lib to $dest"
say "ready"
result "$@"
