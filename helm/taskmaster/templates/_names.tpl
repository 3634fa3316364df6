{{/* Names, labels, and what is derived from the values in one place. Every template takes the root, or a dict with it. */}}

{{- define "taskmaster.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Labels of an object. Takes root and name. */}}
{{- define "taskmaster.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: taskmaster
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of pods. The chart's version is not among them: it would restart every pod. Takes root, name, component. */}}
{{- define "taskmaster.podLabels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: taskmaster
app.kubernetes.io/component: {{ .component }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The values of a function: the defaults, its entry, and what follows from the entry. Takes root and name. YAML. */}}
{{- define "taskmaster.function" -}}
{{- $entry := get .root.Values.functions .name -}}
{{- $function := mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy $entry) -}}
{{- $public := not (empty $entry.routes) -}}
{{- if not (hasKey $entry "visibility") -}}
{{- $_ := set $function "visibility" (ternary "public" "cluster-local" $public) -}}
{{- end -}}
{{- if not (hasKey $entry "secrets") -}}
{{- $_ := set $function "secrets" (ternary (list "database" "kafka" "identity") (list "database" "kafka") $public) -}}
{{- end -}}
{{- $setsAlarm := and .root.Values.alarm.enabled (ne (include "taskmaster.usesJobs" .root) "true") -}}
{{- $_ := set $function "alarm" (and (eq (toString $entry.alarm) "true") $setsAlarm) -}}
{{- $_ := set $function "pods" (and (eq (toString $entry.pods) "true") (not (empty .root.Values.settings.PACK_VIEWERS))) -}}
{{- toYaml $function -}}
{{- end -}}

{{/* "true" if a job of Dapr's is the alarm. */}}
{{- define "taskmaster.usesJobs" -}}
{{ and (not (empty .Values.dapr.broker)) .Values.dapr.jobs.enabled .Values.alarm.enabled }}
{{- end -}}

{{/* The settings of all functions: `settings`, and what follows from `kafka`, `dapr` and `alarm`. YAML; all values are strings. */}}
{{- define "taskmaster.settings" -}}
{{- $settings := dict -}}
{{- if ne .Values.dapr.broker "redis" -}}
{{- $_ := set $settings "KAFKA_BOOTSTRAP_SERVERS" (join "," .Values.kafka.bootstrapServers) -}}
{{- if ne .Values.kafka.securityProtocol "PLAINTEXT" -}}
{{- $_ := set $settings "KAFKA_SECURITY_PROTOCOL" .Values.kafka.securityProtocol -}}
{{- end -}}
{{- if .Values.kafka.ca.secret -}}
{{- $_ := set $settings "KAFKA_SSL_CAFILE" "/etc/kafka/ca/ca.crt" -}}
{{- end -}}
{{- if .Values.kafka.client.secret -}}
{{- $_ := set $settings "KAFKA_SSL_CERTFILE" "/etc/kafka/client/client.crt" -}}
{{- $_ := set $settings "KAFKA_SSL_KEYFILE" "/etc/kafka/client/client.key" -}}
{{- end -}}
{{- end -}}
{{- if .Values.dapr.broker -}}
{{- $_ := set $settings "TRANSPORT" "dapr" -}}
{{- $_ := set $settings "DAPR_URL" "http://taskmaster-bridge:3500" -}}
{{- end -}}
{{- if .Values.kafka.topics -}}
{{- $_ := set $settings "KAFKA_TOPICS" (toJson .Values.kafka.topics) -}}
{{- end -}}
{{- if not .Values.alarm.enabled -}}
{{- $_ := set $settings "REMINDER_ALARM" "off" -}}
{{- else if eq (include "taskmaster.usesJobs" .) "true" -}}
{{- $_ := set $settings "REMINDER_ALARM" "dapr-jobs" -}}
{{- end -}}
{{- if .Values.settings.EVENT_OIDC_ISSUER -}}
{{- /* Knative gives each source a service account in its namespace: only tokens of this namespace are accepted. */ -}}
{{- $_ := set $settings "EVENT_OIDC_SUBJECTS" (printf "system:serviceaccount:%s:*" .Release.Namespace) -}}
{{- end -}}
{{- range $name, $value := .Values.settings -}}
{{- if ne (toString $value) "" -}}
{{- $_ := set $settings $name (include "taskmaster.text" $value) -}}
{{- end -}}
{{- end -}}
{{- range $name := keys $settings | sortAlpha }}
{{ $name }}: {{ get $settings $name | quote }}
{{- end }}
{{- end -}}

{{/* A value as the text of an environment variable: helm reads integers as floating-point numbers. */}}
{{- define "taskmaster.text" -}}
{{- if kindIs "float64" . -}}
{{- if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{ . }}
{{- end -}}
{{- end -}}

{{/* The name of the Secret that a word of a function's `secrets` stands for. Takes root and word; may be empty. */}}
{{- define "taskmaster.secret" -}}
{{- if eq .word "database" -}}
{{ .root.Values.database.secret }}
{{- else if eq .word "kafka" -}}
{{ .root.Values.kafka.secret }}
{{- else if eq .word "identity" -}}
{{ .root.Values.identity.secret }}
{{- else if eq .word "mail" -}}
{{ .root.Values.mail.secret }}
{{- else if eq .word "dapr" -}}
{{ .root.Values.dapr.apiTokenSecret }}
{{- else if eq .word "operator" -}}
{{ .root.Values.kafka.operatorSecret }}
{{- end -}}
{{- end -}}

{{/* "true" if that Secret has to exist. Takes root and word. */}}
{{- define "taskmaster.secretIsNeeded" -}}
{{- if eq .word "kafka" -}}
{{ hasPrefix "SASL" .root.Values.kafka.securityProtocol }}
{{- else -}}
{{ ne .word "identity" }}
{{- end -}}
{{- end -}}

{{/* "true" if the chart makes the Secrets of the database, or of the broker. */}}
{{- define "taskmaster.makesDatabaseSecret" -}}
{{- with .Values.database.tryOut }}{{ not (empty .url) }}{{ end -}}
{{- end -}}
{{- define "taskmaster.makesKafkaSecret" -}}
{{- with .Values.kafka.tryOut }}{{ not (empty .username) }}{{ end -}}
{{- end -}}

{{/* The name of a topic on this broker. Takes root and topic. */}}
{{- define "taskmaster.topic" -}}
{{ get .root.Values.kafka.topics .topic | default .topic }}
{{- end -}}

{{/* The host by which Knative's ingress finds a function. Takes root and name. */}}
{{- define "taskmaster.host" -}}
{{ .name }}.{{ .root.Release.Namespace }}.{{ .root.Values.route.domain }}
{{- end -}}

{{/* A text as comment lines of at most 120 characters. */}}
{{- define "taskmaster.comment" -}}
{{- range $line := wrap 118 . | splitList "\n" }}
# {{ $line }}
{{- end }}
{{- end -}}
