{{/* Dapr as the transport: what daprd of the bridge reads. A Component to publish to, pubsub, and one for each function with
topics, pubsub-NAME, with the consumer group of the KafkaSource in whose place it is: a topic that is missing stops no other
function, and on Redis, where `concurrency` is of the whole Component, no mailbox waits for another. */}}
{{- define "taskmaster.daprComponents" -}}
{{ include "taskmaster.daprComponent" (dict "root" . "name" "pubsub" "group" "bridge" "atOnce" 50 "user" .Values.kafka.secret) }}
{{- range $name := keys .Values.functions | sortAlpha }}
{{- $function := get $.Values.functions $name }}
{{- if $function.topics }}
{{- $component := printf "pubsub-%s" $name }}
{{- $atOnce := ternary 50 1 (eq ($function.ordering | default "") "unordered") }}
---
{{ include "taskmaster.daprComponent" (dict "root" $ "name" $component "group" (printf "%s%s" $.Values.kafka.consumerGroupPrefix $name) "atOnce" $atOnce "user" ($.Values.kafka.sourceSecret | default $.Values.kafka.secret)) }}
{{- end }}
{{- end }}
{{- if not .Values.dapr.operator }}
---
# The Secrets of the Components are in the environment of daprd.
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: envs
spec:
  type: secretstores.local.env
  version: v1
  metadata: []
scopes: [bridge]
{{- end }}
{{- end -}}

{{/* How deliveries are retried, in a file of its own: daprd reads one Resiliency a file, and none behind a Component. */}}
{{- define "taskmaster.daprResiliency" -}}
# An event is retried until it is answered: the functions' inbox counts the attempts, and parks what fails. The time-out is
# longer than the bridge waits for a function and for the sink of dead letters.
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata:
  name: mailboxes
  {{- if .Values.dapr.operator }}
  labels:
    {{- include "taskmaster.labels" (dict "root" . "name" "taskmaster-bridge") | nindent 4 }}
  {{- end }}
spec:
  policies:
    timeouts:
      answer: 440s
    retries:
      again:
        policy: exponential
        maxInterval: 2s
        maxRetries: -1
  targets:
    components:
      {{- range $name := keys .Values.functions | sortAlpha }}
      {{- if (get $.Values.functions $name).topics }}
      pubsub-{{ $name }}:
        inbound:
          timeout: answer
          retry: again
      {{- end }}
      {{- end }}
scopes: [bridge]
{{- end -}}

{{/* What callers of daprd's API may do: publish, set the alarm, and read the one store of secrets that is named, if one is.
Without it whoever may publish could end daprd, call the bridge, and read the passwords of the Components. */}}
{{- define "taskmaster.daprConfiguration" -}}
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: taskmaster-bridge
  {{- if .Values.dapr.operator }}
  labels:
    {{- include "taskmaster.labels" (dict "root" . "name" "taskmaster-bridge") | nindent 4 }}
  {{- end }}
spec:
  api:
    allowed:
      - {name: publish, version: v1.0, protocol: http}
      # By gRPC the same. Without a rule for gRPC, daprd lets its callers do everything there.
      - {name: publish, version: v1, protocol: grpc}
      {{- if eq (include "taskmaster.usesJobs" .) "true" }}
      - {name: jobs, version: v1.0-alpha1, protocol: http}
      {{- end }}
      {{- if .Values.dapr.secretStore }}
      - {name: secrets, version: v1.0, protocol: http}
      {{- end }}
  secrets:
    scopes:
      {{- range without (list "envs" "kubernetes") .Values.dapr.secretStore }}
      - {storeName: {{ . }}, defaultAccess: deny}
      {{- end }}
{{- end -}}

{{/* One Component. Takes root, name, group, atOnce, and user: the Secret of the broker's user. */}}
{{- define "taskmaster.daprComponent" -}}
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: {{ .name }}
  {{- if .root.Values.dapr.operator }}
  labels:
    {{- include "taskmaster.labels" (dict "root" .root "name" "taskmaster-bridge") | nindent 4 }}
  {{- end }}
spec:
  type: pubsub.{{ .root.Values.dapr.broker }}
  version: v1
  metadata:
    {{- if eq .root.Values.dapr.broker "redis" }}
    {{- include "taskmaster.daprRedis" . | trim | nindent 4 }}
    {{- else }}
    {{- include "taskmaster.daprKafka" . | trim | nindent 4 }}
    {{- end }}
{{- if not .root.Values.dapr.operator }}
auth:
  secretStore: envs
{{- end }}
scopes: [bridge]
{{- end -}}

{{- define "taskmaster.daprKafka" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $tls := has $kafka.securityProtocol (list "SSL" "SASL_SSL") -}}
- {name: brokers, value: {{ $kafka.bootstrapServers | join "," | quote }}}
- {name: consumerGroup, value: {{ .group | quote }}}
- {name: initialOffset, value: oldest}
# Values of headers are escaped, and headers that HTTP cannot carry or that mean something to Dapr left out: else a record
# could block its partition for ever.
- {name: escapeHeaders, value: "true"}
- {name: excludeHeaderMetaRegex, value: "^$|[^!#$%&'*+.^_|~0-9A-Za-z-]|^(?i:dapr-api-token|host|rawPayload|partitionKey)$"}
{{- if not $tls }}
- {name: disableTls, value: "true"}
{{- end }}
{{- if hasPrefix "SASL" $kafka.securityProtocol }}
- {name: authType, value: password}
- {name: saslMechanism, value: {{ ternary "PLAINTEXT" ($kafka.saslMechanism | trimPrefix "SCRAM-") (eq $kafka.saslMechanism "PLAIN") }}}
{{ include "taskmaster.daprSecret" (dict "root" .root "name" "saslUsername" "secret" .user "key" "KAFKA_SASL_USERNAME") }}
{{ include "taskmaster.daprSecret" (dict "root" .root "name" "saslPassword" "secret" .user "key" "KAFKA_SASL_PASSWORD") }}
{{- else if $kafka.client.secret }}
- {name: authType, value: mtls}
{{ include "taskmaster.daprSecret" (dict "root" .root "name" "clientCert" "secret" $kafka.client.secret "key" $kafka.client.certificate) }}
{{ include "taskmaster.daprSecret" (dict "root" .root "name" "clientKey" "secret" $kafka.client.secret "key" $kafka.client.key) }}
{{- else }}
- {name: authType, value: none}
{{- end }}
{{- if $kafka.ca.secret }}
{{ include "taskmaster.daprSecret" (dict "root" .root "name" "caCert" "secret" $kafka.ca.secret "key" $kafka.ca.key) }}
{{- end }}
{{- end -}}

{{- define "taskmaster.daprRedis" -}}
{{- $redis := .root.Values.dapr.redis -}}
- {name: redisHost, value: {{ $redis.host | quote }}}
{{- if $redis.tls }}
- {name: enableTLS, value: "true"}
{{- end }}
- {name: consumerID, value: {{ .group | quote }}}
# One event at a time keeps the order of a mailbox.
- {name: concurrency, value: {{ .atOnce | quote }}}
- {name: poolSize, value: {{ add .atOnce 10 | quote }}}
- {name: processingTimeout, value: "60000"}
- {name: redeliverInterval, value: "5000"}
{{- if $redis.secret }}
{{ include "taskmaster.daprSecret" (dict "root" .root "name" "redisPassword" "secret" $redis.secret "key" "REDIS_PASSWORD") }}
{{- else }}
- {name: redisPassword, value: ""}
{{- end }}
{{- end -}}

{{/* A value that a Secret has: by Dapr's operator, or by a variable of daprd's. Takes root, name, secret, key. */}}
{{- define "taskmaster.daprSecret" -}}
{{- if .root.Values.dapr.operator -}}
- {name: {{ .name }}, secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}}
{{- else -}}
{{- $variable := include "taskmaster.daprVariable" . -}}
- {name: {{ .name }}, secretKeyRef: {name: {{ $variable }}, key: {{ $variable }}}}
{{- end -}}
{{- end -}}
{{- define "taskmaster.daprVariable" -}}
{{ printf "SECRET_%s_%s" .secret .key | upper | replace "-" "_" | replace "." "_" }}
{{- end -}}

{{/* The Secrets' keys that daprd has in its environment without the operator: [{secret, key}]. */}}
{{- define "taskmaster.daprKeys" -}}
{{- $keys := list -}}
{{- if eq .Values.dapr.broker "redis" -}}
{{- with .Values.dapr.redis.secret -}}{{- $keys = append $keys (dict "secret" . "key" "REDIS_PASSWORD") -}}{{- end -}}
{{- else -}}
{{- if hasPrefix "SASL" .Values.kafka.securityProtocol -}}
{{- range $secret := list .Values.kafka.secret .Values.kafka.sourceSecret | compact | uniq -}}
{{- range $key := list "KAFKA_SASL_USERNAME" "KAFKA_SASL_PASSWORD" -}}
{{- $keys = append $keys (dict "secret" $secret "key" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.kafka.client -}}
{{- if .secret -}}
{{- $keys = concat $keys (list (dict "secret" .secret "key" .certificate) (dict "secret" .secret "key" .key)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.kafka.ca -}}
{{- if .secret -}}{{- $keys = append $keys (dict "secret" .secret "key" .key) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $keys -}}
{{- end -}}
