#!/usr/bin/env bash
#
# Lints the chart, renders it with each of helm/vecmill/ci/*, compares the manifests with helm/testdata (REWRITE=1 writes them), holds them against the real types
# and the configuration against the worker's own validator; then shows that what is wrong is refused. HELM and GO name the programs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${HELM:=helm}" "${GO:=go}" "${REWRITE:=}"
chart=helm/vecmill models=$PWD/internal/demo/models
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd tools/chartcheck && "$GO" build -o "$work/chartcheck" .)

render() { "$HELM" template vecmill "$chart" --namespace lake --kube-version 1.31.0 "$@"; }

for values in "$chart"/ci/*-values.yaml; do
  "$HELM" lint --quiet --strict --kube-version 1.31.0 "$chart" -f "$values"
  render -f "$values" >"$work/manifests.yaml"
  golden=helm/testdata/$(basename "$values" -values.yaml).yaml
  [ -z "$REWRITE" ] || cp "$work/manifests.yaml" "$golden"
  diff "$golden" "$work/manifests.yaml" || { printf '%s renders otherwise than %s: see the difference, then REWRITE=1 make helm-check\n' "$values" "$golden" >&2; exit 1; }
  "$work/chartcheck" <"$work/manifests.yaml"
  "$work/chartcheck" -config <"$work/manifests.yaml" >"$work/worker.yaml"
  # Secrets and models are there in the cluster only: the bundled ones stand in for them.
  mapfile -t secrets < <(sed -n 's/^ *- name: \(VECMILL_[A-Z0-9_]*\)$/\1=x/p' "$work/manifests.yaml" | sort -u)
  env "${secrets[@]}" VECMILL_PIPELINES_SPEECH_MODEL_PATH="$models/audio-ctc" VECMILL_PIPELINES_PICTURES_MODEL_PATH="$models/vision-digits" \
    bin/worker config check --config "$work/worker.yaml" >/dev/null
done

# refused [SENTENCE] [ARGUMENT...]: rendering with these fails with that sentence.
refused() {
  local sentence=$1
  shift
  if render -f "$chart/ci/full-values.yaml" "$@" >/dev/null 2>"$work/said"; then
    printf 'the chart took %s\n' "$*" >&2
    exit 1
  fi
  grep -qF -- "$sentence" "$work/said" || { printf 'for %s the chart says\n' "$*" >&2; cat "$work/said" >&2; exit 1; }
}
refused 'config.kafka.brokers is empty' --set-json 'config.kafka.brokers=[]'
refused 'brokerz' --set config.kafka.brokerz=a
refused 'replicas' --set replicas=many
refused 'autoscaling.minReplicas must be at least 1' --set autoscaling.minReplicas=0
refused 'autoscaling.partitions is missing' --set autoscaling.partitions=null
refused 'autoscaling.stepsPerReplica is missing' --set autoscaling.stepsPerReplica=null
refused 'networkPolicy.egress is empty' --set-json 'networkPolicy.egress=[]'
refused 'backfill.plan is empty' --set backfill.plan=
refused 'backfill.args is the whole command' --set-json 'backfill.args=["plan"]'
refused 'no pipeline of config reads others' --set backfill.topic=others
refused 'maxLag' --set backfill.maxLag=0
refused 'config.telemetry.listen is empty' --set config.telemetry.listen=
echo 'the chart is well'
