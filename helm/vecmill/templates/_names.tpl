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
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
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

{{/* The port of telemetry.listen, which is host:port. */}}
{{- define "vecmill.port" -}}
{{- regexFind "[0-9]+$" (required "config.telemetry.listen is empty: the probes need it, such as \":9464\"" .Values.config.telemetry.listen) -}}
{{- end -}}
