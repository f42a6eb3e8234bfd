{{/* The name of the backfill's job. A job cannot be changed: whatever is another in it, its name is another. Helm makes the new one before it removes the old one; the two do not publish at once, nor write a share twice. Of an indexed job the name has to be short enough for an index behind it, within 63. */}}
{{- define "vecmill.backfillName" -}}
{{- printf "%s-backfill-%s" (include "vecmill.name" . | trunc 39 | trimAll "-.") (include "vecmill.jobSpec" . | sha256sum | trunc 8) -}}
{{- end -}}

{{- define "vecmill.backfillSelector" -}}
app.kubernetes.io/name: vecmill-backfill
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vecmill.jobSpec" -}}
# What is durable is not done again: a pod that ends early is followed by one that goes on where it was.
{{- if gt (int .Values.backfill.shares) 1 }}
# Each pod computes a share of the plan, by its index.
completionMode: Indexed
completions: {{ .Values.backfill.shares }}
parallelism: {{ .Values.backfill.shares }}
backoffLimitPerIndex: {{ .Values.backfill.backoffLimit }}
{{- else }}
backoffLimit: {{ .Values.backfill.backoffLimit }}
{{- end }}
podFailurePolicy:
  rules:
    - action: FailJob # a usage error says the same the second time; 2 would be of Go, which so ends what crashes
      onExitCodes: {containerName: backfill, operator: In, values: [64]}
    - action: Ignore # a node that goes away is not the job's fault
      onPodConditions: [{type: DisruptionTarget, status: "True"}]
{{- if not (kindIs "invalid" .Values.backfill.ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ int64 .Values.backfill.ttlSecondsAfterFinished }}
{{- end }}
template:
  metadata:
    labels:
      {{- include "vecmill.backfillSelector" . | nindent 6 }}
      {{- with .Values.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    annotations:
      # The file is read once, at the start: with another one it is another job.
      checksum/config: {{ toYaml .Values.config | sha256sum }}
      {{- with .Values.podAnnotations }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  spec:
    restartPolicy: Never
    {{- include "vecmill.pod" (merge (dict "Job" true) .) | nindent 4 }}
{{- end -}}

{{/* The command of the backfill's job. */}}
{{- define "vecmill.backfillArgs" -}}
{{- $b := .Values.backfill -}}
{{- $again := or $b.reembed.old $b.reembed.new -}}
{{- if $b.args -}}
{{- if or $b.plan $b.topic $b.maxRate $again (gt (int $b.shares) 1) }}{{ fail "backfill.args is the whole command: leave backfill.plan, topic, shares, maxRate and reembed out" }}{{ end -}}
{{- toYaml $b.args -}}
{{- else -}}
{{- $args := list -}}
{{- if $again -}}
{{- $args = include "vecmill.reembedArgs" . | fromYamlArray -}}
{{- else -}}
{{- $args = list "run" "--config" "/etc/vecmill/worker.yaml" "--plan" (required "backfill.plan is empty: such as s3://lake/plans/2026-11; or give backfill.args, the whole command" $b.plan) -}}
{{- end -}}
{{- if gt (int $b.shares) 1 -}}
{{- if $b.topic }}{{ fail "backfill.shares are of a plan that the job computes itself: with backfill.topic, the workers divide it" }}{{ end -}}
{{- $args = concat $args (list "--share" (printf "$(JOB_COMPLETION_INDEX)/%d" (int $b.shares))) -}}
{{- end -}}
{{- if $b.topic -}}
{{- $read := false -}}
{{- range .Values.config.pipelines }}{{ if has $b.topic .topics }}{{ $read = true }}{{ end }}{{ end -}}
{{- if not $read }}{{ fail (printf "backfill.topic: no pipeline of config reads %s" $b.topic) }}{{ end -}}
{{- $args = concat $args (list "--topic" $b.topic "--max-lag" (toString (int64 $b.maxLag))) -}}
{{- end -}}
{{- if $b.maxRate }}{{ $args = concat $args (list "--max-rate" $b.maxRate) }}{{ end -}}
{{- toYaml $args -}}
{{- end -}}
{{- end -}}

{{/* The beginning of the command where the job computes again what a pipeline has written. */}}
{{- define "vecmill.reembedArgs" -}}
{{- $b := .Values.backfill -}}
{{- $r := $b.reembed -}}
{{- $names := list -}}
{{- range .Values.config.pipelines }}{{ $names = append $names .name }}{{ end -}}
{{- range list $r.old $r.new }}{{ if not (has . $names) }}{{ fail (printf "backfill.reembed takes two pipelines of config, old and new, and %q is none" .) }}{{ end }}{{ end -}}
{{- $args := list "reembed" "--config" "/etc/vecmill/worker.yaml" "--old" $r.old "--new" $r.new -}}
{{- if $b.plan }}{{ $args = concat $args (list "--plan" $b.plan) }}{{ end -}}
{{- if $r.noStream }}{{ $args = append $args "--no-stream" }}{{ end -}}
{{- if $r.lacking }}{{ $args = concat $args (list "--lacking" (toString (int64 $r.lacking))) }}{{ end -}}
{{- if $r.cutOver }}{{ $args = concat $args (list "--cut-over" $r.cutOver) }}{{ end -}}
{{- toYaml $args -}}
{{- end -}}

{{/* What it may take: a publisher has no models, and one part of the plan in memory. One that makes the plan of a recomputation looks at its model. */}}
{{- define "vecmill.backfillResources" -}}
{{- $own := include "vecmill.resources" .Values.backfill.resources -}}
{{- if ne $own "{}" -}}
{{- $own -}}
{{- else if and .Values.backfill.topic (not .Values.backfill.reembed.new) -}}
requests: {cpu: 100m, memory: 1Gi}
limits: {memory: 1Gi}
{{- else -}}
{{- include "vecmill.resources" .Values.resources -}}
{{- end -}}
{{- end -}}
