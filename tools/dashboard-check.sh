#!/usr/bin/env bash
#
# dashboard-check.sh DASHBOARD: what a Grafana dashboard asks of Prometheus is PromQL, by promtool (PROMTOOL), which is given it as rules; and what is none is refused; two of them are evaluated. Grafana's variables are filled in: what is left of
# them is a fault. Whether anybody serves the metrics is a test of internal/telemetry. Needs Python 3.
set -euo pipefail
: "${PROMTOOL:=promtool}"
dashboard=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# rules prints the expressions of a dashboard as a file of rules: JSON is YAML.
rules() {
  python3 - "$1" <<'PYTHON'
import json, re, sys

dashboard = json.load(open(sys.argv[1]))
asked = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", [])]
for v in dashboard["templating"]["list"]:
    if v["type"] == "query":
        query = re.fullmatch(r"label_values\((.*), *\w+\)", v["query"]["query"])
        if not query:
            sys.exit(f"nothing here knows what the variable {v['name']} asks")
        asked.append(query[1])
variables = {v["name"]: v.get("allValue") or "x" for v in dashboard["templating"]["list"]} | {"__rate_interval": "5m"}
filled = [re.sub(r"\$(\w+)", lambda m: variables[m[1]], expr) for expr in asked]
if len(filled) < 25:
    sys.exit(f"only {len(filled)} expressions")
json.dump({"groups": [{"name": "dashboard", "rules": [{"record": f"dashboard:n{i}", "expr": e} for i, e in enumerate(filled)]}]}, sys.stdout)
PYTHON
}

rules "$dashboard" >"$work/rules.yaml"
"$PROMTOOL" check rules "$work/rules.yaml"

# Of processes beside the workers nothing is drawn, and of workers with a GPU, whose peak nobody measures, no utilisation. The others' is of all their pipelines.
python3 - "$dashboard" >"$work/tests.yaml" <<'PYTHON'
import json, re, sys

asked = {p["title"]: re.sub(r"\$(\w+)", lambda m: {"namespace": "lake", "pipeline": ".*", "__rate_interval": "5m"}[m[1]], t["expr"]) for p in json.load(open(sys.argv[1]))["panels"] for t in p.get("targets", [])}
worker = lambda name, instance, pipeline: f'{name}{{namespace="lake", instance="{instance}", pipeline="{pipeline}"}}'
series = {
    'process_resident_memory_bytes{namespace="lake", instance="cpu:1"}': "5x10", 'process_resident_memory_bytes{namespace="lake", instance="database:1"}': "7x10",
    worker("vecmill_flops_total", "gpu:1", "speech"): "0+60000000x10", worker("vecmill_peak_flops", "gpu:1", "speech"): "0x10",
}
for pipeline in "speech", "pictures":
    series |= {worker("vecmill_records_total", "cpu:1", pipeline): "1x10", worker("vecmill_flops_total", "cpu:1", pipeline): "0+6000x10", worker("vecmill_peak_flops", "cpu:1", pipeline): "1000x10"}
wanted = {"Resident memory": {"labels": 'process_resident_memory_bytes{namespace="lake", instance="cpu:1"}', "value": 5}, "Model FLOPs utilisation": {"labels": "{}", "value": 0.2}}
json.dump({"tests": [{
    "interval": "1m", "input_series": [{"series": s, "values": v} for s, v in series.items()],
    "promql_expr_test": [{"expr": asked[title], "eval_time": "10m", "exp_samples": [sample]} for title, sample in wanted.items()],
}]}, sys.stdout)
PYTHON
"$PROMTOOL" test rules "$work/tests.yaml"

# spoiled SED-COMMAND: the dashboard so changed is refused.
spoiled() {
  sed "$1" "$dashboard" >"$work/spoiled.json"
  ! cmp -s "$dashboard" "$work/spoiled.json" || { printf '%s changes nothing of %s\n' "$1" "$dashboard" >&2; exit 1; }
  if rules "$work/spoiled.json" >"$work/spoiled.yaml" 2>/dev/null && "$PROMTOOL" check rules "$work/spoiled.yaml" >/dev/null 2>&1; then
    printf 'nothing was noticed of %s\n' "$1" >&2
    exit 1
  fi
}
spoiled 's/sum by (pipeline) (rate(/sum by (pipeline) (rate((/'
spoiled 's/\[$__rate_interval\]//'
spoiled 's/$__rate_interval/$__rate/'
spoiled 's/label_values(vecmill_records_total,/label_values(vecmill_records_total{,/'
echo 'the dashboard is well'
