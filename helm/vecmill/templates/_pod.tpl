{{/* Resources without what is null, which a cluster would take for 0. */}}
{{- define "vecmill.resources" -}}
{{- $given := dict -}}
{{- range $of, $all := . -}}
{{- if kindIs "map" $all -}}
{{- $some := dict -}}
{{- range $name, $quantity := $all }}{{ if not (kindIs "invalid" $quantity) }}{{ $_ := set $some $name $quantity }}{{ end }}{{ end -}}
{{- $all = $some -}}
{{- end -}}
{{- if $all }}{{ $_ := set $given $of $all }}{{ end -}}
{{- end -}}
{{- toYaml $given -}}
{{- end -}}

{{/* The pod of a worker; of the backfill's job where .Job is set. */}}
{{- define "vecmill.pod" -}}
serviceAccountName: {{ include "vecmill.serviceAccount" . }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: {{ include "vecmill.grace" . }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: {{ if .Job }}backfill{{ else }}worker{{ end }}
    image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    {{- if .Job }}
    command: [/opt/vecmill/backfill]
    args:
      {{- include "vecmill.backfillArgs" . | nindent 6 }}
    {{- else }}
    args: [run, --config, /etc/vecmill/worker.yaml]
    {{- end }}
    env:
      # A collector of traces and metrics tells workers apart by these. OTEL_RESOURCE_ATTRIBUTES of env takes their place, and may name the first two.
      {{- range $name, $path := dict "POD_NAMESPACE" "metadata.namespace" "POD_NAME" "metadata.name" }}
      {{- if not (or (hasKey $.Values.env $name) (hasKey $.Values.secretEnv $name)) }}
      - name: {{ $name }}
        valueFrom:
          fieldRef:
            fieldPath: {{ $path }}
      {{- end }}
      {{- end }}
      {{- if not (or (hasKey .Values.env "OTEL_RESOURCE_ATTRIBUTES") (hasKey .Values.secretEnv "OTEL_RESOURCE_ATTRIBUTES")) }}
      {{- range list "POD_NAMESPACE" "POD_NAME" }}
      {{- if or (hasKey $.Values.env .) (hasKey $.Values.secretEnv .) }}{{ fail (printf "%s is the pod's, by which a collector tells workers apart: leave it out of env and secretEnv, or give OTEL_RESOURCE_ATTRIBUTES there, too" .) }}{{ end }}
      {{- end }}
      - name: OTEL_RESOURCE_ATTRIBUTES
        value: service.instance.id=$(POD_NAMESPACE).$(POD_NAME),k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME)
      {{- end }}
      {{- range $name, $value := .Values.env }}
      {{- if hasKey $.Values.secretEnv $name }}{{ fail (printf "env and secretEnv both have %s" $name) }}{{ end }}
      - name: {{ $name }}
        value: {{ $value | quote }}
      {{- end }}
      {{- range $name, $ref := .Values.secretEnv }}
      - name: {{ $name }}
        valueFrom:
          secretKeyRef:
            name: {{ required (printf "secretEnv.%s.secret is missing" $name) $ref.secret }}
            key: {{ required (printf "secretEnv.%s.key is missing" $name) $ref.key }}
      {{- end }}
    {{- with include "vecmill.port" . }}
    ports:
      - name: metrics
        containerPort: {{ . }}
    {{- end }}
    {{- if and (not .Job) (include "vecmill.port" .) }}
    # The server of the probes runs before models are compiled and loaded, which may take minutes the first time.
    startupProbe:
      httpGet: {path: /livez, port: metrics}
      periodSeconds: 5
      failureThreshold: 60
    livenessProbe:
      httpGet: {path: /livez, port: metrics}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    readinessProbe:
      httpGet: {path: /readyz, port: metrics}
      periodSeconds: 5
      timeoutSeconds: 5
    {{- end }}
    resources:
      {{- if .Job }}
      {{- include "vecmill.backfillResources" . | nindent 6 }}
      {{- else }}
      {{- include "vecmill.resources" .Values.resources | nindent 6 }}
      {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    volumeMounts:
      - name: config
        mountPath: /etc/vecmill/worker.yaml
        subPath: worker.yaml
        readOnly: true
      - name: cache
        mountPath: /var/cache/vecmill
      - name: tmp
        mountPath: /tmp
      {{- if .Values.models.volume }}
      - name: models
        mountPath: {{ .Values.models.mountPath }}
        readOnly: true
      {{- end }}
      {{- range $i, $secret := .Values.secretFiles }}
      - name: secret-{{ $i }}
        mountPath: /etc/vecmill/secrets/{{ $secret }}
        readOnly: true
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "vecmill.name" . }}
  - name: cache
    {{- if .Values.cache.volume }}
    {{- toYaml .Values.cache.volume | nindent 4 }}
    {{- else }}
    emptyDir:
      sizeLimit: {{ .Values.cache.sizeLimit }}
    {{- end }}
  - name: tmp
    emptyDir: {}
  {{- with .Values.models.volume }}
  - name: models
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- range $i, $secret := .Values.secretFiles }}
  - name: secret-{{ $i }}
    secret:
      secretName: {{ $secret }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not .Job }}
topologySpreadConstraints:
  {{- if .Values.topologySpreadConstraints }}
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  # Workers apart where there is room, and never unschedulable for it.
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "vecmill.selector" . | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}
