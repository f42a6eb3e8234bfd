#!/usr/bin/env bash
#
# Lints the chart, renders it with each of helm/vecmill/ci/*, compares the manifests with helm/testdata (REWRITE=1 writes them), holds them against the real types and, by kubeconform, the
# schemas of Kubernetes (the oldest version that is rendered for, and the newest), KEDA and the Prometheus operator, and the configuration against the worker's own validator; then shows that
# what is wrong is refused. HELM, KUBECONFORM and GO name the programs. Needs Python 3.
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

# A tag with a digest, as docs/operations.md has it, and a long one: the image is pulled by the whole, and neither is a label.
for tag in "v1.2.3@sha256:$(printf '0%.0s' {1..64})" "v$(printf '%s' -{1..40})"; do
  render -f "$chart/ci/full-values.yaml" --set "image.tag=$tag" >"$work/pinned.yaml"
  [ "$(grep -cFx -- "image: \"vecmill:$tag\"" <(sed 's/^ *//' "$work/pinned.yaml"))" -eq 2 ] || { echo "$tag is not what is pulled" >&2; exit 1; }
  "$work/chartcheck" <"$work/pinned.yaml" >/dev/null
done
for label in a@b "$(printf '0%.0s' {1..64})" a-; do
  if sed "s/version: \"0.1.0\"/version: \"$label\"/" helm/testdata/full.yaml | "$work/chartcheck" >/dev/null 2>"$work/said" || ! grep -qF "app.kubernetes.io/version is \"$label\"" "$work/said"; then
    echo "chartcheck took the label $label" >&2
    exit 1
  fi
done

# docs/examples/backfill.yaml has neither Kafka nor a listener, which workers need and a job of a list does not.
{
  printf '%s\n' 'replicas: 0' 'backfill: {enabled: true, plan: s3://lake/plans/2026, ttlSecondsAfterFinished: 0}' 'serviceMonitor: {enabled: true}' 'networkPolicy: {enabled: true, egress: [{}]}' 'config:'
  sed 's/^/  /' docs/examples/backfill.yaml
} >"$work/lake-values.yaml"
render -f "$work/lake-values.yaml" >"$work/lake.yaml"
"$work/chartcheck" <"$work/lake.yaml" >/dev/null
conform "$work/lake.yaml"
"$work/chartcheck" -config <"$work/lake.yaml" >"$work/worker.yaml"
VECMILL_S3_SECRET_KEY=x VECMILL_PIPELINES_PICTURES_MODEL_PATH="$models/vision-digits" bin/worker config check --config "$work/worker.yaml" >/dev/null
if grep -E 'ort:|Probe:|prometheus.io/|^kind: (PodMonitor|ServiceMonitor|Service)$' "$work/lake.yaml" | grep -vE '\{protocol: (UDP|TCP), port: 53\}'; then echo 'what serves nothing has a port, a probe or a monitor' >&2; exit 1; fi
grep -qx '  ttlSecondsAfterFinished: 0' "$work/lake.yaml" || { echo 'a job that is to go at once stays' >&2; exit 1; }

# An upgrade to autoscaling leaves the replicas that a deployment has: taken out, they would be 1, and so does each one after it. A release that never had the number never gets it: its rollback would take it out. A
# cluster stands in for lookup that has one of each in a namespace of its own: switched on before, of a chart without the annotation, and autoscaled from the start.
python3 - >"$work/port" <<'PYTHON' &
import http.server, json

answers = {}
for group, kind in (("apps/v1", "Deployment"), ("keda.sh/v1alpha1", "ScaledObject")):
    plural = kind.lower() + "s"
    answers["/apis/" + group] = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": [{"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get"]}]}
    for namespace in ("switched", "unmarked", "autoscaled"):
        marks = {"vecmill/replicas": "chart"} if namespace == "switched" else {"a": "b"}
        if kind == "Deployment" or namespace != "unmarked":
            answers[f"/apis/{group}/namespaces/{namespace}/{plural}/vecmill"] = {"apiVersion": group, "kind": kind, "metadata": {"name": "vecmill", "namespace": namespace, "annotations": marks}, "spec": {"replicas": 17}}

class Cluster(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = answers.get(self.path.split("?")[0])
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}).encode())

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Cluster)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
cluster=$!
trap 'kill "$cluster" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in {1..100}; do [ ! -s "$work/port" ] || break; sleep 0.1; done
# upgraded [ARGUMENT...]: the replicas that are rendered. Whoever writes them leaves the mark.
upgraded() {
  KUBECONFIG=/dev/null render --dry-run=server --kube-apiserver "http://127.0.0.1:$(<"$work/port")" -f "$chart/ci/full-values.yaml" --show-only templates/deployment.yaml "$@" >"$work/upgraded.yaml"
  [ "$(grep -c '^  replicas: ' "$work/upgraded.yaml")" -eq "$(grep -cFx '    vecmill/replicas: chart' "$work/upgraded.yaml")" ] || { echo 'unmarked'; return; }
  sed -n 's/^  replicas: //p' "$work/upgraded.yaml"
}
for namespace in switched unmarked; do
  [ "$(upgraded --namespace "$namespace")" = 17 ] || { echo "an upgrade to autoscaling takes the replicas of $namespace away" >&2; exit 1; }
  [ "$(upgraded --namespace "$namespace" --set autoscaling.minReplicas=20)" = 20 ] || { echo 'an upgrade to autoscaling leaves fewer replicas than it is to' >&2; exit 1; }
done
[ "$(upgraded --namespace autoscaled)" = '' ] || { echo 'an upgrade writes replicas that a rollback would take away' >&2; exit 1; }
[ "$(upgraded --namespace autoscaled --set autoscaling.enabled=false)" = 2 ] || { echo 'without autoscaling the replicas are not those of the values' >&2; exit 1; }
[ "$(upgraded --namespace other)" = '' ] || { echo 'a new release with autoscaling has replicas' >&2; exit 1; }
kill "$cluster"; wait "$cluster" 2>/dev/null || true

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
for listen in 9464 :http '[::]:' :0 9464:; do refused 'which is no address with the number of a port' --set "config.telemetry.listen=$listen"; done
refused 'which is no address with the number of a port' --set-string config.telemetry.listen=9464
for listen in 0.0.0.0:9464 '[::]:9464' :9464; do render -f "$chart/ci/full-values.yaml" --set-string "config.telemetry.listen=$listen" >/dev/null; done
refused 'VECMILL_KAFKA_DRAIN_TIMEOUT, which the chart itself reads' --set env.VECMILL_KAFKA_DRAIN_TIMEOUT=90s
for name in TELEMETRY_LISTEN TELEMETRY_DEBUG_LISTEN PIPELINES_SPEECH_NAME PIPELINES_PICTURES_TOPICS; do refused "VECMILL_$name, which the chart itself reads" --set "secretEnv.VECMILL_$name.secret=a,secretEnv.VECMILL_$name.key=b"; done
render -f "$chart/ci/full-values.yaml" --set-json 'config.kafka.brokers=[]' --set secretEnv.VECMILL_KAFKA_BROKERS.secret=a,secretEnv.VECMILL_KAFKA_BROKERS.key=b >/dev/null
refused 'config.kafka.brokers is empty' --set-json 'config.kafka.brokers=[]' --set autoscaling.enabled=false,backfill.topic=
refused 'config.kafka.brokers is empty' --set-json 'config.kafka.brokers=[]' --set autoscaling.enabled=false,replicas=0 # a publisher's
refused 'repository' --set image.repository=
refused 'tag' --set image.tag=1
refused 'tag' --set image.tag=a/b
refused 'podAnnotations' --set podAnnotations.a=1
refused 'podLabels' --set podLabels.a=true
refused 'podLabels' --set-string podLabels.a=a/b
refused 'nodeSelector' --set nodeSelector.a=true
refused 'annotations' --set serviceAccount.annotations.a=1
refused 'serviceMonitor' --set serviceMonitor.labels.a=1
refused 'limits' --set resources.limits.memory=4GB
refused 'resources.limits.memory is 2900Mi, and resources.requests.memory is 3Gi' --set resources.limits.memory=2900Mi
refused 'resources.limits.cpu is 1900m, and resources.requests.cpu is 2' --set resources.limits.cpu=1900m
refused 'backfill.resources.limits.memory is 1e9, and backfill.resources.requests.memory is 1Gi' --set-string backfill.resources.limits.memory=1e9,backfill.resources.requests.memory=1Gi
render -f "$chart/ci/full-values.yaml" --set resources.limits.memory=3221225472,resources.limits.cpu=2000m >/dev/null
refused 'backoffLimit' --set backfill.backoffLimit=-1
refused 'ttlSecondsAfterFinished' --set backfill.ttlSecondsAfterFinished=-1
refused 'strategy.rollingUpdate does not go with type Recreate' --set strategy.type=Recreate
refused 'maxSurge and maxUnavailable of 0' --set strategy.rollingUpdate.maxUnavailable=0%
refused 'maxSurge' --set strategy.rollingUpdate.maxSurge=-1
refused 'maxUnavailable' --set strategy.rollingUpdate.maxUnavailable=half
refused 'secretFiles' --set-json 'secretFiles=["a","a"]'
refused 'the volume cache is there twice' --set-json 'extraVolumes=[{"name":"cache","emptyDir":{}}]' --set-json 'extraVolumeMounts=[]'
refused 'extraVolumeMounts mounts row, and no volume has that name' --set-json 'extraVolumeMounts=[{"name":"row","mountPath":"/rows"}]'
refused 'the mountPath /tmp is there twice' --set-json 'extraVolumeMounts=[{"name":"rows","mountPath":"/tmp"}]'
refused 'the mountPath /rows is there twice' --set models.volume.emptyDir.medium=Memory,models.mountPath=/rows
render -f "$chart/ci/full-values.yaml" --set-json 'extraVolumeMounts=[{"name":"rows","mountPath":"/rows"},{"name":"rows","mountPath":"/old"}]' >/dev/null

# A name of a release that a cluster takes is refused only for what it does not take it for: a Service, and the pods of an indexed job. Cut off, it does not end in a dot.
released() { local release=$1; shift; "$HELM" template "$release" "$chart" --namespace lake --kube-version 1.29.0 -f "$chart/ci/full-values.yaml" --set grafanaDashboard.enabled=true "$@"; }
for release in 2026-lake lake.vecmill "$(printf 'v%.0s' {1..38}).ecmill.$(printf 'v%.0s' {1..7})"; do
  released "$release" --set serviceMonitor.enabled=false >"$work/named.yaml"
  "$work/chartcheck" <"$work/named.yaml" >/dev/null
  conform "$work/named.yaml"
  if released "$release" >/dev/null 2>"$work/said" || ! grep -qF "the release $release cannot be the name of a Service" "$work/said"; then
    echo "the chart took $release for the name of a Service" >&2
    exit 1
  fi
done
for release in 2026-lake lake.vecmill; do released "$release" --set serviceMonitor.enabled=false,backfill.topic=,backfill.shares=2,terminationGracePeriodSeconds=90 2>"$work/said" >"$work/$release.yaml" || true; done
"$work/chartcheck" <"$work/2026-lake.yaml" >/dev/null
grep -qF 'the release lake.vecmill cannot be the name of the pods of backfill.shares' "$work/said" || { cat "$work/said" >&2; exit 1; }
for name in Service/2026-lake Service/lake.vecmill 'Deployment/lake.-vecmill'; do
  if sed "/^kind: ${name%/*}$/,/^spec:/s|^  name: vecmill$|  name: ${name#*/}|" helm/testdata/full.yaml | "$work/chartcheck" >/dev/null 2>"$work/said" || ! grep -qF "the name \"${name#*/}\"" "$work/said"; then
    echo "chartcheck took the name $name" >&2
    exit 1
  fi
done
if sed 's/^  name: \(.*-backfill-\)/  name: a.\1/' helm/testdata/backfill.yaml | "$work/chartcheck" >/dev/null 2>"$work/said" || ! grep -qF 'the name "a.' "$work/said"; then echo 'chartcheck took a dot in the name of an indexed job' >&2; exit 1; fi

# null takes away what is by default, or what another file of values has.
without() { render -f "$chart/ci/full-values.yaml" "$@" >"$work/without.yaml" && "$work/chartcheck" <"$work/without.yaml" >/dev/null && conform "$work/without.yaml"; }
for null in resources backfill.resources backfill.resources.requests image.tag strategy.type=Recreate,strategy.rollingUpdate config.telemetry.debug_listen grafanaDashboard.enabled=true,grafanaDashboard.labels{,.grafana_dashboard}; do without --set "$null=null"; done
without --set resources.limits.cpu=null,backfill.resources.limits.cpu=null
if grep -qE 'cpu: *(null)?$' "$work/without.yaml"; then echo 'null is a limit, which a cluster takes for 0' >&2; exit 1; fi
without --set backfill.topic=,backfill.plan=s3://lake/plans/2026,terminationGracePeriodSeconds=90,backfill.resources=null
backfill --set replicas=0,config.kafka=null >/dev/null
backfill --set replicas=0,config.telemetry=null >/dev/null
for section in image config env secretEnv models cache serviceAccount podDisruptionBudget serviceMonitor prometheusRule grafanaDashboard autoscaling backfill networkPolicy; do refused "missing property '$section'" --set "$section=null"; done
for value in replicas terminationGracePeriodSeconds image.repository models.mountPath podDisruptionBudget.maxUnavailable autoscaling.{minReplicas,maxReplicas,busyShare,pollingInterval,startSeconds,idleSeconds} backfill.{maxLag,reembed,backoffLimit}; do
  refused "missing property '${value##*.}'" --set "$value=null"
done
refused 'libraries' --set 'config.pipelines[0].audio.libraries=false' # as which YAML 1.1 reads off without quotes
[ "$(render -f "$chart/ci/full-values.yaml" --set-string 'config.pipelines[0].audio.libraries=off' | grep -cFx '        libraries: "off"')" -eq 1 ] || { echo 'off does not come to the worker as it is' >&2; exit 1; }
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
