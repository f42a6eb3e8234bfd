#!/usr/bin/env bash
#
# fetch-ort.sh: put the pinned ONNX Runtime library into the user cache and print its path. Its licence and those of its parts are laid beside it, in licences/.
#
#   tools/fetch-ort.sh [x64|arm64]      (default: this machine's architecture)
#
# The library comes out of the PyPI wheel, fetched with `pip download`: nothing is installed, no virtual environment is
# needed, and the wheel's own Python version does not matter, because only the shared library and the licences are taken from it.
# The wheel must match the sha256 below. The library appears under its final name in one rename, so a reader never
# sees half of it, and two runs at once are harmless.
#
# The last line on stdout is the library's absolute path; all else goes to stderr. Exit codes: 0 done, 1 failed.
#
# Environment:
#   VECMILL_CACHE   the cache directory, default ${XDG_CACHE_HOME:-$HOME/.cache}/vecmill
#   PYTHON          the Python whose pip is used, default python3
set -euo pipefail

readonly version=1.24.4
readonly lib=libonnxruntime.so.$version
python=${PYTHON:-python3}

say() { printf 'fetch-ort: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

case "${1:-$(uname -m)}" in
  x64 | x86_64 | amd64)
    arch=x64 machine=x86_64
    want=e54ad52e61d2d4618dcff8fa1480ac66b24ee2eab73331322db1049f11ccf330
    ;;
  arm64 | aarch64)
    arch=arm64 machine=aarch64
    want=046ff290045a387676941a02a8ae5c3ebec6b4f551ae228711968c4a69d8f6b7
    ;;
  *) die "no pinned ONNX Runtime for architecture '${1:-$(uname -m)}': x64 and arm64 only" ;;
esac
[ -n "${1:-}" ] || [ "$(uname -s)" = Linux ] ||
  die "the pinned library is for Linux; on $(uname -s) install ONNX Runtime $version yourself and set VECMILL_ORT_LIB to it"

cache=${VECMILL_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or VECMILL_CACHE}/.cache}/vecmill}
dest=$cache/onnxruntime/$version/$arch
if [ -s "$dest/$lib" ] && [ -d "$dest/licences" ]; then
  printf '%s\n' "$dest/$lib"
  exit 0
fi

command -v "$python" >/dev/null || die "$python not found: install Python 3 with pip (Debian: apt-get install python3-pip)"
"$python" -m pip --version >/dev/null 2>&1 ||
  die "$python has no pip: install it (Debian: apt-get install python3-pip), or name another Python with PYTHON=..."

mkdir -p "$dest"
# The work directory lies beside the destination, so that the final rename stays inside one file system.
work=$(mktemp -d "$dest/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching ONNX Runtime $version for linux $arch (17 MB) into $dest"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --implementation cp --python-version 3.11 \
  --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" \
  --dest "$work" "onnxruntime==$version" >&2 ||
  die "pip could not download onnxruntime==$version (its message is above): without a network, copy $lib and licences/ to $dest or set VECMILL_ORT_LIB to it"

wheels=("$work"/onnxruntime-"$version"-*.whl)
[ "${#wheels[@]}" -eq 1 ] && [ -f "${wheels[0]}" ] || die "pip left no onnxruntime-$version wheel behind"
got=$("$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "${wheels[0]}")
[ "$got" = "$want" ] || die "checksum mismatch for $(basename "${wheels[0]}"): want sha256 $want, got $got; nothing was kept"

"$python" - "${wheels[0]}" "$lib" "$work" >&2 <<'PY' || die "the wheel is not what was expected"
import os, shutil, sys, zipfile

wheel, lib, work = sys.argv[1:]
wanted = {lib: lib, "LICENSE": "licences/onnxruntime/LICENSE", "ThirdPartyNotices.txt": "licences/onnxruntime/ThirdPartyNotices.txt"}
with zipfile.ZipFile(wheel) as z:
    for name, to in wanted.items():
        members = [m for m in z.namelist() if os.path.basename(m) == name and m.startswith("onnxruntime/")]
        if len(members) != 1:
            sys.exit(f"members named {name}: {members}")
        os.makedirs(os.path.dirname(os.path.join(work, to)), exist_ok=True)
        with z.open(members[0]) as src, open(os.path.join(work, to), "wb") as dst:
            shutil.copyfileobj(src, dst)
            dst.flush()
            os.fsync(dst.fileno())
PY
chmod 755 "$work/$lib"
# The library goes last: where it is, its licences are.
mv -T "$work/licences" "$dest/licences" 2>/dev/null || [ -d "$dest/licences" ] || die "could not rename $work/licences to $dest/licences"
mv -f "$work/$lib" "$dest/$lib"
say "ready"
printf '%s\n' "$dest/$lib"
