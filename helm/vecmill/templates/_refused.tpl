{{/* What is refused, with a sentence, as the workers or the cluster would refuse it, or do something else. What a schema can say is in that of the values. */}}
{{- define "vecmill.refused" -}}
{{- /* A job that computes a list needs no Kafka. */}}
{{- $brokers := or (.Values.config.kafka).brokers (hasKey .Values.env "VECMILL_KAFKA_BROKERS") (hasKey .Values.secretEnv "VECMILL_KAFKA_BROKERS") }}
{{- if and (not $brokers) (or (include "vecmill.mostWorkers" . | int) (and .Values.backfill.enabled .Values.backfill.topic)) }}
{{- fail "config.kafka.brokers is empty: name host:port of at least one broker" }}
{{- end }}
{{- if not .Values.config.pipelines }}
{{- fail "config.pipelines is empty: name at least one pipeline (see docs/config.md)" }}
{{- end }}
{{- include "vecmill.refusedNames" . }}
{{- include "vecmill.refusedEnv" . }}
{{- include "vecmill.refusedStrategy" . }}
{{- include "vecmill.refusedVolumes" . }}
{{- include "vecmill.refusedResources" . }}
{{- end -}}

{{/* Of all that has the release's name, a Service and the pods of an indexed job take the least. */}}
{{- define "vecmill.refusedNames" -}}
{{- if and .Values.serviceMonitor.enabled (include "vecmill.port" .) (not (regexMatch "^[a-z][a-z0-9-]*$" .Release.Name)) }}{{ fail (printf "the release %s cannot be the name of a Service, which serviceMonitor.enabled makes: it must begin with a letter, and have no dots" .Release.Name) }}{{ end }}
{{- if and .Values.backfill.enabled (gt (int .Values.backfill.shares) 1) (contains "." .Release.Name) }}{{ fail (printf "the release %s cannot be the name of the pods of backfill.shares: it must have no dots" .Release.Name) }}{{ end }}
{{- end -}}

{{/* What the chart reads out of config is as it reads it. */}}
{{- define "vecmill.refusedEnv" -}}
{{- $read := list "VECMILL_KAFKA_DRAIN_TIMEOUT" "VECMILL_TELEMETRY_LISTEN" "VECMILL_TELEMETRY_DEBUG_LISTEN" }}
{{- range .Values.config.pipelines }}
{{- $pipeline := printf "VECMILL_PIPELINES_%s" (regexReplaceAll "[^A-Z0-9]" (upper (toString .name)) "_") }}
{{- $read = concat $read (list (printf "%s_NAME" $pipeline) (printf "%s_TOPICS" $pipeline)) }}
{{- end }}
{{- range $read }}
{{- if or (hasKey $.Values.env .) (hasKey $.Values.secretEnv .) }}{{ fail (printf "env or secretEnv has %s, which the chart itself reads, and only in config: set it there" .) }}{{ end }}
{{- end }}
{{- end -}}

{{- define "vecmill.refusedStrategy" -}}
{{- with .Values.strategy }}
{{- if and (eq (.type | default "") "Recreate") (not (kindIs "invalid" .rollingUpdate)) }}{{ fail "strategy.rollingUpdate does not go with type Recreate" }}{{ end }}
{{- with .rollingUpdate }}
{{- $none := list "0" "0%" }}
{{- if and (has (toString .maxSurge) $none) (has (toString .maxUnavailable) $none) }}{{ fail "strategy.rollingUpdate has maxSurge and maxUnavailable of 0, by which no pod could be replaced" }}{{ end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "vecmill.refusedVolumes" -}}
{{- $volumes := list "config" "cache" "tmp" }}
{{- $paths := list "/etc/vecmill/worker.yaml" "/var/cache/vecmill" "/tmp" }}
{{- if .Values.models.volume }}
{{- $volumes = append $volumes "models" }}
{{- $paths = append $paths .Values.models.mountPath }}
{{- end }}
{{- range $i, $secret := .Values.secretFiles }}
{{- $volumes = append $volumes (printf "secret-%d" $i) }}
{{- $paths = append $paths (printf "/etc/vecmill/secrets/%s" $secret) }}
{{- end }}
{{- range .Values.extraVolumes }}{{ $volumes = append $volumes .name }}{{ end }}
{{- range .Values.extraVolumeMounts }}
{{- if not (has .name $volumes) }}{{ fail (printf "extraVolumeMounts mounts %s, and no volume has that name" .name) }}{{ end }}
{{- $paths = append $paths .mountPath }}
{{- end }}
{{- range $what, $all := dict "volume" $volumes "mountPath" $paths }}
{{- $seen := list }}
{{- range $all }}
{{- if has . $seen }}{{ fail (printf "the %s %s is there twice, by extraVolumes, extraVolumeMounts, models or the chart itself" $what .) }}{{ end }}
{{- $seen = append $seen . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "vecmill.refusedResources" -}}
{{- range $of, $given := dict "resources" .Values.resources "backfill.resources" .Values.backfill.resources }}
{{- $resources := include "vecmill.resources" $given | fromYaml }}
{{- range $name, $limit := $resources.limits }}
{{- $request := dig "requests" $name 0 $resources }}
{{- if gt (include "vecmill.quantity" $request | float64) (include "vecmill.quantity" $limit | float64) }}{{ fail (printf "%[1]s.limits.%[2]s is %[3]v, and %[1]s.requests.%[2]s is %[4]v, which may not be more: give both" $of $name $limit $request) }}{{ end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A quantity of Kubernetes as a number. */}}
{{- define "vecmill.quantity" -}}
{{- $number := regexFind "^[0-9.]+([eE][+-]?[0-9]+)?" (toString .) -}}
{{- $units := dict "n" 1e-9 "u" 1e-6 "m" 1e-3 "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- mulf (float64 $number) (get $units (trimPrefix $number (toString .))) -}}
{{- end -}}
