{{/* The name of every object: the release, with the chart's name unless it has it already. */}}
{{- define "vecmill.name" -}}
{{- if contains "vecmill" .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-vecmill" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "vecmill.selector" -}}
app.kubernetes.io/name: vecmill
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vecmill.labels" -}}
{{ include "vecmill.selector" . }}
app.kubernetes.io/version: {{ regexReplaceAll "@.*$" (.Values.image.tag | default "") "" | trunc 63 | trimAll "-_." | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "vecmill.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "vecmill.name" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* The port of telemetry.listen, which is host:port. Probes and Prometheus come from outside the pod. Empty where a job alone is to do without. */}}
{{- define "vecmill.port" -}}
{{- $listen := (.Values.config.telemetry).listen | default "" | toString -}}
{{- if regexMatch "^(localhost|127\\.[0-9.]*|\\[::1\\]|\\[::ffff:127\\.[0-9.]*\\]):" (lower $listen) }}{{ fail (printf "config.telemetry.listen is %s, which nobody outside the pod reaches: the probes would fail; give it no host, such as \":9464\"" $listen) }}{{ end -}}
{{- if and (not $listen) (include "vecmill.mostWorkers" . | int) }}{{ fail "config.telemetry.listen is empty: the probes need it, such as \":9464\"" }}{{ end -}}
{{- if and $listen (not (regexMatch ":[1-9][0-9]*$" $listen)) }}{{ fail (printf "config.telemetry.listen is %s, which is no address with the number of a port, such as \":9464\"" $listen) }}{{ end -}}
{{- regexFind "[0-9]+$" $listen -}}
{{- end -}}

{{/* The port of telemetry.debug_listen, empty without one. */}}
{{- define "vecmill.debugPort" -}}
{{- regexFind "[0-9]+$" ((.Values.config.telemetry).debug_listen | default "") -}}
{{- end -}}

{{/* The grace period, which must outlast a drain and, of 5 s each, the last commit, leaving the group, the outputs and the collector: a worker that is killed half-way computes again. A run of a list that is cut off has ten seconds for its last files, and ten for its account. A duration becomes seconds as a time after 1970. */}}
{{- define "vecmill.grace" -}}
{{- $drain := (.Values.config.kafka).drain_timeout | default "30s" -}}
{{- $seconds := toDate "2006-01-02T15:04:05Z07:00" "1970-01-01T00:00:00Z" | mustDateModify $drain | unixEpoch | int64 -}}
{{- $grace := int64 .Values.terminationGracePeriodSeconds -}}
{{- if lt $grace (add $seconds 20) }}{{ fail (printf "terminationGracePeriodSeconds is %d, and config.kafka.drain_timeout is %s: it must be at least 20 s more, or workers are killed while they drain" $grace $drain) }}{{ end -}}
{{- if and .Job (not .Values.backfill.topic) (lt $grace (add $seconds 30)) }}{{ fail (printf "terminationGracePeriodSeconds is %d, and config.kafka.drain_timeout is %s: for a backfill that computes it must be at least 30 s more, or its pods are killed while they write what they have" $grace $drain) }}{{ end -}}
{{- $grace -}}
{{- end -}}

{{/* The replicas of the Deployment; empty where the autoscaler alone has them. An upgrade that takes the number away makes it 1: a Deployment that was written with one keeps what it has, and so does one that nobody has scaled yet. One that was written without never gets any: a rollback would take that away. None would not be scaled at all. */}}
{{- define "vecmill.replicas" -}}
{{- $name := include "vecmill.name" . -}}
{{- if not .Values.autoscaling.enabled -}}
{{- .Values.replicas -}}
{{- else -}}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace $name -}}
{{- if or (hasKey (.metadata.annotations | default dict) "vecmill/replicas") (not (lookup "keda.sh/v1alpha1" "ScaledObject" $.Release.Namespace $name)) -}}
{{- max (int .spec.replicas) (int $.Values.autoscaling.minReplicas) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The most workers that are wanted. One beyond the partitions has nothing to do. */}}
{{- define "vecmill.mostWorkers" -}}
{{- $a := .Values.autoscaling -}}
{{- if $a.enabled -}}
{{- min (int $a.maxReplicas) (int (required "autoscaling.partitions is missing: the partitions of the busiest topic" $a.partitions)) -}}
{{- else -}}
{{- int .Values.replicas -}}
{{- end -}}
{{- end -}}
