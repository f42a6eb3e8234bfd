#!/usr/bin/env bash
#
# Lints the chart, renders it with each of helm/vecmill/ci/*, compares the manifests with helm/testdata (REWRITE=1 writes them), holds them against the real types and, by kubeconform, the
# schemas of Kubernetes (the oldest version that is rendered for, and the newest), KEDA and the Prometheus operator, and the configuration against the worker's own validator; then shows that
# what is wrong is refused. HELM, KUBECONFORM and GO name the programs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${HELM:=helm}" "${KUBECONFORM:=kubeconform}" "${GO:=go}" "${REWRITE:=}"
chart=helm/vecmill models=$PWD/internal/demo/models
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd tools/chartcheck && "$GO" build -o "$work/chartcheck" .)

# KEDA's definition is in the module whose types chartcheck has. The operator's is in its main module, of which no later version can be had.
module() {
  local about
  about=$("$GO" mod download -json "$1") || { printf '%s\n' "$about" >&2; return 1; } # which has the error, too
  sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$about"
}
keda=$(cd tools/chartcheck && module github.com/kedacore/keda/v2)
operator=$(cd "$work" && module github.com/prometheus-operator/prometheus-operator@v0.85.0)
mkdir "$work/crds"
"$work/chartcheck" -schemas "$work/crds" "$keda/config/crd/bases/keda.sh_scaledobjects.yaml" "$operator"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,servicemonitors,prometheusrules}.yaml
versions=(1.29 1.37)
schemas=$(tools/fetch-kube-schemas.sh "${versions[@]}")

# conform [FILE]: what it has follows the schemas of all versions. A kind without a schema is a fault.
conform() {
  local version
  for version in "${versions[@]}"; do
    "$KUBECONFORM" -strict -schema-location "$schemas/$version/{{.ResourceKind}}{{.KindSuffix}}.json" -schema-location "$work/crds/{{.ResourceKind}}{{.KindSuffix}}.json" "$1" || return
  done
}

render() { "$HELM" template vecmill "$chart" --namespace lake --kube-version 1.29.0 "$@"; }

# notes is what an installation says, which no rendering has: a copy of the chart has it for the text of a manifest.
cp -r "$chart" "$work/noted"
{ printf 'text: |\n'; sed 's/^/  /' "$chart/templates/NOTES.txt"; } >"$work/noted/templates/notes.yaml"
notes() { "$HELM" template vecmill "$work/noted" --namespace lake --kube-version 1.29.0 --show-only templates/notes.yaml "$@" | sed '1,/^text: |$/d; s/^  //'; }

for values in "$chart"/ci/*-values.yaml; do
  "$HELM" lint --quiet --strict --kube-version 1.29.0 "$chart" -f "$values"
  render -f "$values" >"$work/manifests.yaml"
  notes -f "$values" >"$work/notes.txt" # whose commands TestKubectlFindsWhatItIsAskedFor holds
  golden=helm/testdata/$(basename "$values" -values.yaml)
  [ -z "$REWRITE" ] || { cp "$work/manifests.yaml" "$golden.yaml" && cp "$work/notes.txt" "$golden-notes.txt"; }
  for made in "$golden.yaml $work/manifests.yaml" "$golden-notes.txt $work/notes.txt"; do
    # shellcheck disable=SC2086 # two names
    diff $made || { printf '%s renders otherwise than %s: see the difference, then REWRITE=1 make helm-check\n' "$values" "${made% *}" >&2; exit 1; }
  done
  "$work/chartcheck" <"$work/manifests.yaml"
  conform "$work/manifests.yaml"
  "$work/chartcheck" -config <"$work/manifests.yaml" >"$work/worker.yaml"
  # Secrets and models are there in the cluster only: the bundled ones stand in for them.
  mapfile -t secrets < <(sed -n 's/^ *- name: \(VECMILL_[A-Z0-9_]*\)$/\1=x/p' "$work/manifests.yaml" | sort -u)
  env "${secrets[@]}" VECMILL_PIPELINES_SPEECH_MODEL_PATH="$models/audio-ctc" VECMILL_PIPELINES_SPEECH_2_MODEL_PATH="$models/audio-ctc" VECMILL_PIPELINES_PICTURES_MODEL_PATH="$models/vision-digits" \
    bin/worker config check --config "$work/worker.yaml" >/dev/null
done

# What is scraped twice is counted twice, also by the query that workers are scaled by.
scrapes() { render -f "$chart/ci/full-values.yaml" "$@" | grep -cE 'prometheus.io/scrape|^kind: (Pod|Service)Monitor$' || true; }
for monitor in true false; do
  [ "$(scrapes --set prometheusAnnotations=true --set serviceMonitor.enabled=$monitor)" -eq 1 ] || { echo "with serviceMonitor.enabled=$monitor workers are not scraped once" >&2; exit 1; }
done

# The dashboard in a ConfigMap, which no golden has, for its length: what the sidecar gives to Grafana is the file, under a label that it looks for.
render -f "$chart/ci/example-values.yaml" --set grafanaDashboard.enabled=true --set grafanaDashboard.annotations.folder=Data --show-only templates/dashboard.yaml >"$work/dashboard.yaml"
"$work/chartcheck" <"$work/dashboard.yaml" >/dev/null
conform "$work/dashboard.yaml"
diff <(sed '1,/^  vecmill.json: |$/d; s/^    //' "$work/dashboard.yaml") deploy/grafana/vecmill.json
grep -qx '    grafana_dashboard: "1"' "$work/dashboard.yaml" && grep -qx '    folder: Data' "$work/dashboard.yaml" || { cat "$work/dashboard.yaml" >&2; exit 1; }

# With an address of the runbook each alert has its part of it, which TestEveryAlertIsExplainedTestedAndHasARunbook looks for there; without one none has, as an address that leads nowhere is worse.
alerts() { render -f "$chart/ci/full-values.yaml" --show-only templates/prometheusrule.yaml "$@"; }
runbook=https://docs.example/operations.md
alerts --set "prometheusRule.runbookUrl=$runbook" >"$work/alerts.yaml"
"$work/chartcheck" <"$work/alerts.yaml" >/dev/null
conform "$work/alerts.yaml"
diff <(sed -n 's/^ *- alert: //p' deploy/prometheus/alerts.yaml | tr '[:upper:]' '[:lower:]') <(sed -n "s|^ *runbook_url: $runbook#||p" "$work/alerts.yaml")
[ "$(alerts | grep -c runbook_url || true)" -eq 0 ] || { echo 'alerts have a runbook at no address' >&2; exit 1; }

# A job that computes is scraped by a monitor of its own, with names of its own, and never by annotations: its series would be the workers'. One that publishes serves nothing.
backfill() { render -f "$chart/ci/backfill-values.yaml" "$@"; }
[ "$(backfill | grep -cE '^kind: PodMonitor$|replacement: backfill/')" -eq 2 ] || { echo 'a backfill is not scraped under a name of its own' >&2; exit 1; }
[ "$(backfill --set backfill.shares=1,backfill.topic=speech-refs | grep -c '^kind: PodMonitor$')" -eq 0 ] || { echo 'a publisher is scraped' >&2; exit 1; }
[ "$(backfill --set serviceMonitor.enabled=false | sed -n '/^kind: Job$/,$p' | grep -c 'prometheus.io/scrape')" -eq 0 ] || { echo 'a backfill is scraped as workers are' >&2; exit 1; }

# A job cannot be changed: whatever an upgrade changes in it gives it another name, and nothing else does.
job() { render -f "$chart/ci/full-values.yaml" "$@" | sed -n '/^kind: Job$/,/^spec:/s/^  name: //p'; }
was=$(job)
for change in image.tag=v2 cache.volume.persistentVolumeClaim.claimName=other image.repository=other env.A=b backfill.resources.limits.memory=9Gi backfill.maxRate=1/s backfill.backoffLimit=3 config.log.level=debug podLabels.a=b terminationGracePeriodSeconds=90; do
  now=$(job --set "$change")
  [ -n "$now" ] && [ "$now" != "$was" ] || { echo "an upgrade with $change changes the job $was, which the cluster refuses" >&2; exit 1; }
done
long=$("$HELM" template "$(printf 'r%.0s' {1..53})" "$chart" --namespace lake --kube-version 1.29.0 -f "$chart/ci/backfill-values.yaml" --set backfill.shares=100000 | sed -n '/^kind: Job$/,/^spec:/s/^  name: //p')
[ -n "$long" ] && [ $((${#long} + 6)) -le 63 ] || { echo "the job $long with its last index is longer than a name of a pod" >&2; exit 1; }
[ "$(job --set replicas=3)" = "$was" ] || { echo 'with other workers the job is another one' >&2; exit 1; }

# What the chart tells a collector of a pod gives way to the values' own.
named=$(render -f "$chart/ci/backfill-values.yaml" --set env.OTEL_RESOURCE_ATTRIBUTES=a=b --set env.POD_NAME=x | grep -cE '^ +- name: (OTEL_RESOURCE_ATTRIBUTES|POD_NAME)$' || true)
[ "$named" -eq 4 ] || { echo "with its own OTEL_RESOURCE_ATTRIBUTES and POD_NAME two pods have them $named times" >&2; exit 1; }

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
refused 'HF_HUB_OFFLINE' --set env.HF_HUB_OFFLINE=1
refused 'env and secretEnv both have HF_TOKEN' --set env.HF_TOKEN=hf_x
refused 'autoscaling.minReplicas must be at least 1' --set autoscaling.minReplicas=0
refused 'autoscaling.partitions is missing' --set autoscaling.partitions=null
refused 'partitions' --set autoscaling.partitions=0
refused 'autoscaling.minReplicas is 25, and there are 24 workers at most' --set autoscaling.minReplicas=25
refused 'autoscaling.minReplicas is 9, and there are 8 workers at most' --set autoscaling.minReplicas=9,autoscaling.maxReplicas=8
refused 'startSeconds' --set autoscaling.startSeconds=1801
refused 'idleSeconds' --set autoscaling.idleSeconds=3601
refused 'pollingInterval' --set autoscaling.pollingInterval=0
render -f "$chart/ci/full-values.yaml" --set terminationGracePeriodSeconds=1000,autoscaling.startSeconds=1800,autoscaling.idleSeconds=3600 >"$work/longest.yaml" # what the autoscaler takes, which no schema says
[ "$(sed -n 's/.*periodSeconds: \([0-9]*\)}.*/\1/p' "$work/longest.yaml" | sort -n | tail -1)" -eq 1800 ] || { echo 'a period of the autoscaler is longer than 1800 s' >&2; exit 1; }
refused 'autoscaling.stepsPerReplica is missing' --set autoscaling.stepsPerReplica=null
refused 'networkPolicy.egress is empty' --set-json 'networkPolicy.egress=[]'
refused 'backfill.plan is empty' --set backfill.plan=
refused 'backfill.args is the whole command' --set-json 'backfill.args=["plan"]'
refused 'no pipeline of config reads others' --set backfill.topic=others
refused 'with backfill.topic, the workers divide it' --set backfill.shares=2
refused 'old and new, and "" is none' --set backfill.reembed.old=speech
refused 'old and new, and "calls" is none' --set backfill.reembed.old=calls,backfill.reembed.new=speech
refused 'shares' --set backfill.shares=0
refused "POD_NAME is the pod's" --set env.POD_NAME=x
refused 'maxLag' --set backfill.maxLag=0
refused 'labels' --set-json 'prometheusRule.labels=["prometheus"]'
refused 'labels' --set grafanaDashboard.labels.grafana_dashboard=1
refused 'maxSurge' --set strategy.maxSurge=0 # which is rollingUpdate's
refused 'volume' --set cache.volume=claim
refused 'extraVolumes' --set extraVolumes=rows
refused 'runbookUrl' --set prometheusRule.runbookUrl=1
refused 'config.telemetry.listen is empty' --set config.telemetry.listen=
for listen in 127.0.0.1:9464 127.1:9464 localhost:9464 LOCALHOST:9464 '[::1]:9464'; do refused 'which nobody outside the pod reaches' --set-string "config.telemetry.listen=$listen"; done
for listen in 0.0.0.0:9464 '[::]:9464' :9464; do render -f "$chart/ci/full-values.yaml" --set-string "config.telemetry.listen=$listen" >/dev/null; done
refused 'kubeVersion: >=1.29.0-0' --kube-version 1.28.15 # backoffLimitPerIndex is from 1.29 on without being asked for
render -f "$chart/ci/full-values.yaml" --set terminationGracePeriodSeconds=50 >/dev/null
refused 'it must be at least 20 s more' --set terminationGracePeriodSeconds=49
refused 'it must be at least 20 s more' --set config.kafka.drain_timeout=41s
refused 'it must be at least 20 s more' --set config.kafka.drain_timeout=1m
backfill --set terminationGracePeriodSeconds=60 >/dev/null
refused 'for a backfill that computes it must be at least 30 s more' --set backfill.topic=,terminationGracePeriodSeconds=59

# spoiled SENTENCE SED-COMMAND: full.yaml so changed is refused with that sentence; the types alone, which chartcheck has, would take it.
spoiled() {
  sed "$2" helm/testdata/full.yaml >"$work/spoiled.yaml"
  "$work/chartcheck" <"$work/spoiled.yaml" >/dev/null
  if conform "$work/spoiled.yaml" >"$work/said"; then
    printf 'the schemas took %s\n' "$2" >&2
    exit 1
  fi
  grep -qF -- "$1" "$work/said" || { printf 'for %s kubeconform says\n' "$2" >&2; cat "$work/said" >&2; exit 1; }
}
spoiled "missing property 'containers'" 's/^      containers:$/      initContainers:/'
spoiled "missing property 'scaleTargetRef'" '/^  scaleTargetRef:/,/name:/d'
spoiled "missing property 'selector'" '/^kind: Deployment/,/^---/{/^  selector:/,/^  template:/{/^  template:/!d}}'
spoiled 'minimum: got -5, want 1' 's/pollingInterval: .*/pollingInterval: -5/'
spoiled "'soon' does not match pattern" 's/interval: 15s/interval: soon/'
spoiled "'soon' does not match pattern" 's/for: 10m/for: soon/'
spoiled "missing property 'name'" 's/^    - name: vecmill$/    - interval: 1m/'
echo 'the chart is well'
