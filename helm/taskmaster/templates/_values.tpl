{{/* Values that do not fit each other. */}}
{{- define "taskmaster.faultsOfValues" -}}
{{- $faults := list -}}
{{- range $at, $url := .Values.database.tryOut -}}
{{- /* Not in the schema: its message would show the text, and with it the password. */ -}}
{{- if not (regexMatch "^(postgres(ql)?://[^:@/ ]+:[^@/ ]+@[^/ ]+/.+)?$" $url) -}}
{{- $faults = append $faults (printf "database.tryOut.%s is not the URL of a database: write postgresql://USER:PASSWORD@HOST/DATABASE, and percent-encode special characters of the password." $at) -}}
{{- else if $.Values.networkPolicy.enabled -}}
{{- range $address := regexFind "@[^/@]+/" $url | trimAll "@/" | splitList "," | compact -}}
{{- $port := regexFind ":[0-9]+$" $address | trimPrefix ":" | default "5432" -}}
{{- if ne (int $port) (int $.Values.database.port) -}}
{{- $faults = append $faults (printf "database.tryOut.%s has port %s, but the network policies allow database.port, %d: use the same port in both." $at $port (int $.Values.database.port)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $label, $_ := .Values.labels -}}
{{- if regexMatch "^(app[.]kubernetes[.]io|helm[.]sh)/" $label -}}
{{- $faults = append $faults (printf "labels.%s: Helm and the network policies find the chart's objects by this label. Use another name." $label) -}}
{{- end -}}
{{- end -}}
{{- with .Values.dapr -}}
{{- if and .jobs.enabled (not .broker) -}}
{{- $faults = append $faults "dapr.jobs.enabled is true, but dapr.broker is empty: there is no daprd that could keep a job. Set dapr.broker, or leave the alarm to its PingSource." -}}
{{- end -}}
{{- if and .operator (not .broker) -}}
{{- $faults = append $faults "dapr.operator is true, but dapr.broker is empty: say kafka or redis." -}}
{{- end -}}
{{- if and .secretStore (not .operator) -}}
{{- $faults = append $faults "dapr.secretStore needs dapr.operator: a daprd in standalone mode has no store but the one for its own Components." -}}
{{- end -}}
{{- if eq .apiTokenSecret .appTokenSecret -}}
{{- $faults = append $faults "dapr.apiTokenSecret and dapr.appTokenSecret are the same: whoever may publish could pass for daprd, and send events to the bridge. Use two Secrets." -}}
{{- end -}}
{{- if and (eq .broker "redis") (or (ne $.Values.kafka.securityProtocol "PLAINTEXT") $.Values.kafka.tryOut.username) -}}
{{- $faults = append $faults "dapr.broker is redis, but kafka has a user or TLS: nothing of it would be used. Leave out the profile of a Kafka broker." -}}
{{- end -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfResources" (dict "at" "dapr.resources" "resources" .resources) | fromYamlArray) -}}
{{- end -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfTopics" . | fromYamlArray) -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfDelivery" .Values.kafka.delivery | fromYamlArray) -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfResources" (dict "at" "defaults.resources" "resources" .Values.defaults.resources) | fromYamlArray) -}}
{{- with .Values.queueProxy -}}
{{- $resources := dict "requests" (dict "cpu" .cpuRequest "memory" .memoryRequest) "limits" (dict "cpu" .cpuLimit "memory" .memoryLimit) -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfResources" (dict "at" "queueProxy" "resources" $resources) | fromYamlArray) -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}

{{- define "taskmaster.faultsOfTopics" -}}
{{- $faults := list -}}
{{- $topics := list "task-events" "task-updates" "dead-letters" -}}
{{- $deadLetters := include "taskmaster.topic" (dict "root" . "topic" "dead-letters") -}}
{{- range $name := keys .Values.functions | sortAlpha -}}
{{- range $topic := (get $.Values.functions $name).topics -}}
{{- $topics = append $topics $topic | uniq -}}
{{- if eq (include "taskmaster.topic" (dict "root" $ "topic" $topic)) $deadLetters -}}
{{- $faults = append $faults (printf "functions.%s would receive the records of %s, the topic of the dead letters: an event that it cannot handle would return to it without end. Give its topic %s another name." $name $deadLetters $topic) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $topic, $_ := .Values.kafka.topics -}}
{{- if not (has $topic $topics) -}}
{{- $faults = append $faults (printf "kafka.topics.%s: there is no topic of this name. The topics are %s." $topic ($topics | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}

{{/* The waits of a KafkaSource: d, 2d, 3d ... if linear; 2d, 4d, 8d ..., without a bound, if exponential. Takes delivery. */}}
{{- define "taskmaster.faultsOfDelivery" -}}
{{- $faults := list -}}
{{- $delay := regexFind "[0-9.]+" .backoffDelay | float64 -}}
{{- $delay = mulf $delay (ternary 60 1 (hasSuffix "M" .backoffDelay)) -}}
{{- $retry := int .retry -}}
{{- $longest := mulf $delay $retry -}}
{{- $total := divf (mulf $longest (add $retry 1)) 2 -}}
{{- if eq .backoffPolicy "exponential" -}}
{{- $longest = $delay -}}
{{- range until (min $retry 40 | int) -}}{{- $longest = mulf $longest 2 -}}{{- end -}}
{{- $total = mulf $longest 2 -}}
{{- end -}}
{{- if lt $total 600.0 -}}
{{- $faults = append $faults (printf "kafka.delivery retries a record for %.0f s in all: a longer outage would send every record to the dead letters. Use at least ten minutes, such as retry 120, backoffPolicy linear, backoffDelay PT1S." $total) -}}
{{- else if gt $longest 21600.0 -}}
{{- $faults = append $faults (printf "kafka.delivery waits up to %.0f hours between two attempts, and an ordered source delivers nothing else of that partition meanwhile. Use at most six hours, such as retry 12, backoffPolicy exponential, backoffDelay PT1S." (divf $longest 3600)) -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}
