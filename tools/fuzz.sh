#!/usr/bin/env bash
#
# Runs every fuzz target of the tree: tools/fuzz.sh [TIME [BUDGET]], 60s and no budget.
#
# FUZZ, a pattern over lines such as "schemas FuzzParseRef", picks some.
#
# Two targets at a time (FUZZJOBS), one worker each, from one instrumented test binary per package. TIME is for each target;
# BUDGET is the wall time of all of them together, beside building, and when TIME does not fit into it for every target, each
# gets its share: three at a time, 90 targets have 40 s in 20 minutes at most. So CI, which gives 15 s, stays below its hour whatever their number is.
#
# A failing input is printed and kept in its package's testdata/fuzz, where go test runs it from then on. Inputs that reached
# new code are kept in the user cache (VECMILL_CACHE/fuzz), where the next run begins.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Go's coordinator ends now and then with the end of the fuzzing time as its error, although nothing failed (golang.org/issue/75804).
# Only that is forgiven: this error alone under the target's name, no input kept, nothing else said.
spurious() {
  local log=$1
  ! grep -qE 'Failing input|panic|fatal error|terminated unexpectedly|goroutine [0-9]' "$log" &&
    grep -qE '^    context deadline exceeded$' "$log" &&
    ! sed -n '/^--- FAIL/,$p' "$log" | grep -qvE '^(--- FAIL: Fuzz[A-Za-z0-9_]+ \([0-9.]+s\)|    context deadline exceeded|FAIL|exit status 1)$'
}

# one DIRECTORY TARGET SECONDS: what runs in each of the jobs.
one() {
  local dir=$1 name=$2 seconds=$3 log binary rc=0 said kept
  binary=$FUZZWORK/${dir//\//.}.test
  log=$FUZZWORK/${dir//\//.}.$name.log
  kept=$FUZZCORPUS/$dir
  mkdir -p "$kept"
  # In the group of this script, so that all of it can be ended. A target that hangs for good is a failure, too. The slack is for the corpus, which is run first.
  (cd "$dir" && timeout --foreground -k 10 $((seconds + 300)) "$binary" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "${seconds}s" \
    -test.fuzzminimizetime 1x -test.fuzzcachedir "$kept" -test.parallel 1) >"$log" 2>&1 || rc=$?
  said=$(grep -oE 'execs: [0-9]+ .*' "$log" | tail -n 1 || true)
  if [ "$rc" -eq 0 ]; then
    printf 'ok      %s %s %s\n' "$dir" "$name" "$said"
  elif spurious "$log"; then
    printf 'ok      %s %s %s (ended with its time as the error)\n' "$dir" "$name" "$said"
  else
    printf 'FAILED  %s %s (%d)\n' "$dir" "$name" "$rc"
    tail -n 60 "$log"
    # The input itself, so that it can be had from the log of a machine that is gone.
    sed -n 's/.*Failing input written to \(testdata[^ ]*\).*/\1/p' "$log" | while read -r input; do
      printf -- '---- %s/%s\n' "$dir" "$input"
      head -c 65536 "$dir/$input"
    done
    printf '%s %s\n' "$dir" "$name" >>"$FUZZWORK/failed"
  fi
}

# seconds 90, 90s, 2m or 1h, as whole seconds.
seconds() {
  case $1 in
    *h) echo $((${1%h} * 3600)) ;;
    *m) echo $((${1%m} * 60)) ;;
    *) echo "${1%s}" ;;
  esac
}

each=$(seconds "${1:-60s}") budget=$(seconds "${2:-0}") jobs=${FUZZJOBS:-2}
cache=${XDG_CACHE_HOME:-$HOME/.cache}
export FUZZCORPUS=${VECMILL_CACHE:-$cache/vecmill}/fuzz
FUZZWORK=$(mktemp -d)
export FUZZWORK
trap 'rm -rf "$FUZZWORK"' EXIT

git ls-files -co --exclude-standard '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]*' |
  sed -E 's,/[^/]*:func , ,' | sort -u | grep -E "${FUZZ:-.}" >"$FUZZWORK/targets"
count=$(wc -l <"$FUZZWORK/targets")
share=$((budget * jobs / count))
[ "$budget" -eq 0 ] || [ "$each" -le "$share" ] || each=$share
[ "$each" -gt 0 ] || { echo "a budget of $budget s is too short for $count targets" >&2; exit 1; }

begin=$SECONDS
# What tells fuzzing that an input reached new code is asked of our packages and of the decoders that we hand bytes to. go test -fuzz would ask it of all that
# is linked, which takes minutes to build (a Kafka in process, SQL engines) and shows what parses nothing of ours.
instrument=()
for pattern in vecmill/... github.com/goccy/go-yaml/... github.com/pion/opus/... golang.org/x/image/...; do
  instrument+=("-gcflags=$pattern=-d=libfuzzer")
done
cut -d' ' -f1 "$FUZZWORK/targets" | uniq | while read -r dir; do
  ${GO:-go} test -c "${instrument[@]}" -o "$FUZZWORK/${dir//\//.}.test" "./$dir"
done
printf '%d fuzz targets, %d s each, %d at a time; built in %d s\n' "$count" "$each" "$jobs" $((SECONDS - begin))

begin=$SECONDS
export -f one spurious # not this file again, which a checkout may change meanwhile
sed "s/\$/ $each/" "$FUZZWORK/targets" | xargs -P "$jobs" -L 1 bash -c 'set -uo pipefail; one "$@"' one
touch "$FUZZWORK/failed"
printf '%d fuzz targets, %d s each, %d failed, %d s\n' "$count" "$each" "$(wc -l <"$FUZZWORK/failed")" $((SECONDS - begin))
[ ! -s "$FUZZWORK/failed" ] || { sort "$FUZZWORK/failed" | sed 's/^/failed: /' >&2; exit 1; }
