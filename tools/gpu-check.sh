#!/usr/bin/env bash
#
# gpu-check.sh: run every reference case on every GPU, time bare sessions of base width and the worker around them on the first, and the worker on all of them, and write a report: items/s, RTFx, MFU, what is missed.
# The report grows with each row, so that a check that breaks off leaves what it had found.
#
#   tools/gpu-check.sh [--provider cuda|tensorrt|cpu] [--report FILE]     (default: cuda, gpu-check.md)
#
# With cuda and tensorrt it fetches the GPU build of ONNX Runtime by tools/fetch-ort-gpu.sh (1.9 GB, once). --provider cpu makes the same report on the processor, as a
# dry run. It needs Go with a C compiler, Python 3 with pip, and for GPUs their driver.
#
# Exit codes: 0 all reference cases are met and no operator strays to the CPU; 1 something is missed (the report says what), or the check could not run;
# 2 wrong usage; 3 there is no GPU on this machine, so nothing was checked.
#
# Environment:
#   GO                     default go
#   CUDA_VISIBLE_DEVICES   the GPUs that are checked, by their numbers in nvidia-smi or by UUIDs of GPUs or MIG devices, whole or their beginnings; default all
#   VECMILL_DEVICE_BATCH   how many times the budget of a processor a batch is, default 16 on GPUs and 1 on the CPU
#   VECMILL_BENCH_LAYERS   layers of the models, default 12 as base has
#   VECMILL_BENCH_TEXTS, VECMILL_BENCH_CLIPS, VECMILL_BENCH_PICTURES
#                          items of a corpus, on GPUs by default 1200, 60 and 160 times VECMILL_DEVICE_BATCH: 20 batches and more. They are kept in memory, some 4 GB of pictures
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
go=${GO:-go}
provider=cuda
report=gpu-check.md

say() { printf 'gpu-check: %s\n' "$*" >&2; }

gpus() { nvidia-smi "$@" --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null; }

# visible lists the GPUs that CUDA shows, a line each, in its order: it ends at the first of CUDA_VISIBLE_DEVICES that is not there.
visible() {
  [ -n "${CUDA_VISIBLE_DEVICES+set}" ] || { gpus; return; }
  local ids id
  IFS=, read -ra ids <<<"$CUDA_VISIBLE_DEVICES"
  for id in "${ids[@]}"; do
    case "$id" in
      GPU-* | MIG-*) named "$id" || return ;;
      *) gpus -i "$id" || return ;;
    esac
  done
}

# named is the line of the one device whose UUID begins so. A slice of a GPU (MIG) is called as CUDA calls it, behind the name of its GPU.
named() {
  local found number slice line
  found=$(nvidia-smi -L 2>/dev/null | awk -v id="$1" '
    /^GPU / { number = $2 + 0; slice = "" }
    /^ *MIG / { slice = $1 " " $2 }
    { sub(/.*\(UUID: /, ""); if (index($0, id) == 1) { n++; found = number " " slice } }
    END { if (n == 1) print found }')
  read -r number slice <<<"$found"
  [ -n "$number" ] || return
  line=$(gpus -i "$number") || return
  printf '%s\n' "${line%%, *}${slice:+ $slice}, ${line##*, }"
}

while [ $# -gt 0 ]; do
  case "$1" in
    --provider | --report)
      [ $# -gt 1 ] || { say "$1 needs a value"; exit 2; }
      declare "${1#--}=$2"
      shift 2
      ;;
    *) say "unknown argument $1"; exit 2 ;;
  esac
done

export VECMILL_DEVICE=$provider
case "$provider" in
  cpu)
    library=$("$here/fetch-ort.sh")
    export VECMILL_ORT_LIB=$library VECMILL_DEVICE_BATCH=${VECMILL_DEVICE_BATCH:-1}
    VECMILL_DEVICE_NAME=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
    export VECMILL_DEVICE_NAME
    ;;
  cuda | tensorrt)
    export CUDA_DEVICE_ORDER=PCI_BUS_ID # as nvidia-smi counts
    gpus=$(visible || true)
    if [ -z "$gpus" ]; then
      say "there is no GPU on this machine (nvidia-smi lists none${CUDA_VISIBLE_DEVICES+ of CUDA_VISIBLE_DEVICES, \"$CUDA_VISIBLE_DEVICES\"}): nothing was checked; --provider cpu makes a dry run"
      exit 3
    fi
    settings=$("$here/fetch-ort-gpu.sh" --env)
    eval "$settings"
    first=$(head -n 1 <<<"$gpus")
    VECMILL_DEVICE_COUNT=$(wc -l <<<"$gpus")
    export VECMILL_DEVICE_COUNT VECMILL_DEVICE_NAME=${first%%, *} VECMILL_DEVICE_DRIVER=${first##*, } VECMILL_DEVICE_BATCH=${VECMILL_DEVICE_BATCH:-16}
    export VECMILL_BENCH_TEXTS=${VECMILL_BENCH_TEXTS:-$((1200 * VECMILL_DEVICE_BATCH))} # what a processor takes seconds for is a batch or two of a GPU's
    export VECMILL_BENCH_CLIPS=${VECMILL_BENCH_CLIPS:-$((60 * VECMILL_DEVICE_BATCH))} VECMILL_BENCH_PICTURES=${VECMILL_BENCH_PICTURES:-$((160 * VECMILL_DEVICE_BATCH))}
    ;;
  *)
    say "--provider $provider is not cuda, tensorrt or cpu"
    exit 2
    ;;
esac

case "$report" in
  /*) ;;
  *) report=$PWD/$report ;;
esac
rm -f "$report" # an old one would pass for this one's
export VECMILL_DEVICE_REPORT=$report
VECMILL_DEVICE_COMMIT=$(git -C "$here" describe --always --dirty 2>/dev/null || echo unknown)
export VECMILL_DEVICE_COMMIT

say "checking $provider on $VECMILL_DEVICE_NAME"
cd "$here/.."
code=0
"$go" test -run '^$' -bench '^BenchmarkDevice$' -benchtime 1x -timeout 120m ./integration/bench >&2 || code=1
[ -s "$report" ] || { say "the check ended without a report"; exit 1; }
say "the report is $report"
exit "$code"
