{{/* Values that do not go together. */}}
{{- define "taskmaster.faultsOfValues" -}}
{{- $faults := list -}}
{{- with .Values.database -}}
{{- if or .tryOut.url .tryOut.systemUrl .tryOut.ownerUrl -}}
{{- if or (not .tryOut.url) (not .tryOut.systemUrl) (and $.Values.jobs.migrate (not .tryOut.ownerUrl)) -}}
{{- $faults = append $faults "database.tryOut wants url, systemUrl and ownerUrl, or none of them." -}}
{{- end -}}
{{- end -}}
{{- $port := .port -}}
{{- if $.Values.networkPolicy.enabled -}}
{{- range $at, $url := .tryOut -}}
{{- range $address := regexFind "@[^/@]+/" $url | trimAll "@/" | splitList "," | compact -}}
{{- $its := regexFind ":[0-9]+$" $address | trimPrefix ":" | default "5432" -}}
{{- if ne (int $its) (int $port) -}}
{{- $faults = append $faults (printf "database.tryOut.%s is at port %s, but the network policies let out to database.port, %d: say the same in both." $at $its (int $port)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $label, $_ := .Values.labels -}}
{{- if regexMatch "^(app[.]kubernetes[.]io|helm[.]sh)/" $label -}}
{{- $faults = append $faults (printf "labels.%s is the chart's own, by which Helm and the network policies find what is theirs: choose another name." $label) -}}
{{- end -}}
{{- end -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfKafka" . | fromYamlArray) -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfDelivery" .Values.kafka.delivery | fromYamlArray) -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfResources" (dict "at" "defaults.resources" "resources" .Values.defaults.resources) | fromYamlArray) -}}
{{- with .Values.queueProxy -}}
{{- $resources := dict "requests" (dict "cpu" .cpuRequest "memory" .memoryRequest) "limits" (dict "cpu" .cpuLimit "memory" .memoryLimit) -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfResources" (dict "at" "queueProxy" "resources" $resources) | fromYamlArray) -}}
{{- end -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfSettings" (dict "root" . "at" "settings" "settings" .Values.settings) | fromYamlArray) -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfIdentity" (dict "at" "settings" "settings" .Values.settings) | fromYamlArray) -}}
{{- toYaml $faults -}}
{{- end -}}

{{- define "taskmaster.faultsOfKafka" -}}
{{- $faults := list -}}
{{- $kafka := .Values.kafka -}}
{{- $sasl := hasPrefix "SASL" $kafka.securityProtocol -}}
{{- $tls := has $kafka.securityProtocol (list "SSL" "SASL_SSL") -}}
{{- if and $sasl (not $kafka.saslMechanism) -}}
{{- $faults = append $faults (printf "kafka.securityProtocol is %s, but kafka.saslMechanism is empty: say PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512." $kafka.securityProtocol) -}}
{{- end -}}
{{- if and $kafka.saslMechanism (not $sasl) -}}
{{- $faults = append $faults (printf "kafka.saslMechanism is %s, but kafka.securityProtocol is %s: say SASL_SSL or SASL_PLAINTEXT, or leave the mechanism empty." $kafka.saslMechanism $kafka.securityProtocol) -}}
{{- end -}}
{{- if and $sasl (not $kafka.secret) -}}
{{- $faults = append $faults "kafka.secret is empty, but the broker wants a user: name the Secret that holds KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM." -}}
{{- end -}}
{{- if and $kafka.sourceSecret (not $sasl) -}}
{{- $faults = append $faults (printf "kafka.sourceSecret is given, but kafka.securityProtocol is %s, which knows no users." $kafka.securityProtocol) -}}
{{- end -}}
{{- range $name := list "ca" "client" -}}
{{- if and (get $kafka $name).secret (not $tls) -}}
{{- $faults = append $faults (printf "kafka.%s.secret is given, but kafka.securityProtocol is %s, which knows no certificates: say SSL or SASL_SSL." $name $kafka.securityProtocol) -}}
{{- end -}}
{{- end -}}
{{- with $kafka.tryOut -}}
{{- if and .username (not $sasl) -}}
{{- $faults = append $faults (printf "kafka.tryOut.username is given, but kafka.securityProtocol is %s, which knows no users." $kafka.securityProtocol) -}}
{{- end -}}
{{- if ne (empty .username) (empty .password) -}}
{{- $faults = append $faults "kafka.tryOut wants both username and password, or neither." -}}
{{- end -}}
{{- end -}}
{{- $topics := list "task-events" "task-updates" "dead-letters" -}}
{{- $letters := include "taskmaster.topic" (dict "root" . "topic" "dead-letters") -}}
{{- range $name := keys .Values.functions | sortAlpha -}}
{{- range $topic := (get $.Values.functions $name).topics -}}
{{- $topics = append $topics $topic | uniq -}}
{{- if eq (include "taskmaster.topic" (dict "root" $ "topic" $topic)) $letters -}}
{{- $faults = append $faults (printf "functions.%s would be called by the records of %s, where the dead letters go: what it cannot handle would come back to it for ever. Give its topic %s a name of its own." $name $letters $topic) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $topic, $_ := $kafka.topics -}}
{{- if not (has $topic $topics) -}}
{{- $faults = append $faults (printf "kafka.topics names %s, which is no topic of taskmaster: it has %s." $topic ($topics | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}

{{/* A KafkaSource waits d, 2d, 3d ... or, by exponential, 2d, 4d, 8d ..., without a bound. Takes delivery. */}}
{{- define "taskmaster.faultsOfDelivery" -}}
{{- $faults := list -}}
{{- $delay := include "taskmaster.seconds" .backoffDelay | float64 -}}
{{- $waits := list 0.0 $delay -}}
{{- $retry := int .retry -}}
{{- if eq .backoffPolicy "linear" -}}
{{- $waits = list (divf (mulf $delay $retry (add $retry 1)) 2) (mulf $delay $retry) -}}
{{- else -}}
{{- $last := $delay -}}
{{- range until (min $retry 40 | int) -}}{{- $last = mulf $last 2 -}}{{- end -}}
{{- $waits = list (mulf $last 2) $last -}}
{{- end -}}
{{- if lt (index $waits 0) 600.0 -}}
{{- $faults = append $faults (printf "kafka.delivery gives a record up after %.0f s of waits: any outage longer than that would send all that comes meanwhile to the dead letters. Let them last ten minutes at least, such as retry 120, backoffPolicy linear, backoffDelay PT1S." (index $waits 0)) -}}
{{- else if gt (index $waits 1) 21600.0 -}}
{{- $faults = append $faults (printf "kafka.delivery waits up to %.0f hours between two attempts, and an ordered source holds its partition up as long: let a wait be six hours at most, such as retry 12 with backoffPolicy exponential and backoffDelay PT1S." (divf (index $waits 1) 3600)) -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}

{{/* Settings that do not belong under `settings`. Takes root, at, settings. */}}
{{- define "taskmaster.faultsOfSettings" -}}
{{- $faults := list -}}
{{- $database := printf "it belongs into the Secret %s (database.secret)" .root.Values.database.secret -}}
{{- $kafka := printf "it belongs into the Secret %s (kafka.secret)" .root.Values.kafka.secret -}}
{{- $because := dict
  "DATABASE_URL" $database "SYSTEM_DATABASE_URL" $database
  "MIGRATION_DATABASE_URL" (printf "it belongs into the Secret %s (database.ownerSecret)" .root.Values.database.ownerSecret)
  "KAFKA_SASL_USERNAME" $kafka "KAFKA_SASL_PASSWORD" $kafka "KAFKA_SASL_MECHANISM" $kafka
  "SMTP_URL" "it belongs into the Secret that mail.secret names"
  "KAFKA_BOOTSTRAP_SERVERS" "it is made from kafka.bootstrapServers" "KAFKA_SECURITY_PROTOCOL" "it is kafka.securityProtocol"
  "KAFKA_TOPICS" "it is made from kafka.topics" "KAFKA_SSL_CAFILE" "it is made from kafka.ca"
  "KAFKA_SSL_CERTFILE" "it is made from kafka.client" "KAFKA_SSL_KEYFILE" "it is made from kafka.client"
  "REMINDER_ALARM" "it is made from alarm.enabled"
  "CLOCK_OFFSET_FILE" "it is for a laptop" "KUBERNETES_API_URL" "it is for a laptop"
-}}
{{- range $name, $value := .settings -}}
{{- if and (hasKey $because $name) (ne (toString $value) "") -}}
{{- $faults = append $faults (printf "%s.%s: %s." $.at $name (get $because $name)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}
