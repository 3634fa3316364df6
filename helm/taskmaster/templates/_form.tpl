{{/* Texts of a form. A schema could only answer with its pattern, and with the text itself, were it a password. */}}
{{- define "taskmaster.faultsOfForm" -}}
{{- $texts := list -}}
{{- with .Values.image -}}
{{- $texts = append $texts (list "image.repository" .repository "[a-z0-9]+([._/:-]+[a-z0-9]+)*" "the image's name, without tag and digest") -}}
{{- $texts = append $texts (list "image.tag" .tag "([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?" "a tag, or empty") -}}
{{- $texts = append $texts (list "image.digest" .digest "(sha256:[0-9a-f]{64})?" "sha256: and 64 hexadecimal digits, or empty") -}}
{{- end -}}
{{- range $address := .Values.kafka.bootstrapServers -}}
{{- $texts = append $texts (list "kafka.bootstrapServers" $address "[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}" "host:port, such as redpanda.redpanda:9092") -}}
{{- end -}}
{{- $texts = append $texts (list "kafka.consumerGroupPrefix" .Values.kafka.consumerGroupPrefix "[A-Za-z0-9._-]{0,100}" "letters, digits, dots, dashes and underscores") -}}
{{- $texts = append $texts (list "kafka.delivery.backoffDelay" .Values.kafka.delivery.backoffDelay "PT([0-9]+H)?([0-9]+M)?([0-9]+([.][0-9]+)?S)?" "an ISO 8601 duration such as PT1S") -}}
{{- range $topic, $name := .Values.kafka.topics -}}
{{- $texts = append $texts (list (printf "kafka.topics.%s" $topic) $name "[A-Za-z0-9._-]{1,249}" "a topic's name: letters, digits, dots, dashes and underscores") -}}
{{- end -}}
{{- $texts = append $texts (list "alarm.scheduleWhenOff" .Values.alarm.scheduleWhenOff "([^ ]+ ){4,5}[^ ]+" "a cron schedule, such as 2-59/10 * * * *") -}}
{{- $name := "([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?" -}}
{{- range $at, $secret := dict "database.secret" .Values.database.secret "database.ownerSecret" .Values.database.ownerSecret "kafka.secret" .Values.kafka.secret "kafka.sourceSecret" .Values.kafka.sourceSecret "kafka.adminSecret" .Values.kafka.adminSecret "kafka.ca.secret" .Values.kafka.ca.secret "kafka.client.secret" .Values.kafka.client.secret "identity.secret" .Values.identity.secret "mail.secret" .Values.mail.secret -}}
{{- $texts = append $texts (list $at $secret $name "a Secret's name: lower case letters, digits and dashes") -}}
{{- end -}}
{{- range $hostname := concat .Values.route.hostnames (list .Values.route.domain) -}}
{{- $texts = append $texts (list "route.hostnames or route.domain" $hostname "[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?" "a host such as tasks.example.com, without https://") -}}
{{- end -}}
{{- range $at, $cidrs := pick .Values.networkPolicy "databaseCidrs" "kafkaCidrs" "internetExcept" -}}
{{- range $cidrs -}}
{{- $texts = append $texts (list (printf "networkPolicy.%s" $at) . "[0-9a-fA-F.:]+/[0-9]{1,3}" "a network such as 10.0.0.0/8") -}}
{{- end -}}
{{- end -}}
{{- range $at, $amount := .Values.queueProxy -}}
{{- $texts = append $texts (list (printf "queueProxy.%s" $at) (include "taskmaster.text" $amount) "[0-9]+([.][0-9]+)?(m|k|M|G|Ki|Mi|Gi)?" "an amount such as 100m or 128Mi") -}}
{{- end -}}
{{- range $name := prepend (keys .Values.functions | sortAlpha) "defaults" -}}
{{- $entry := ternary $.Values.defaults (get $.Values.functions $name) (eq $name "defaults") -}}
{{- $at := ternary "defaults" (printf "functions.%s" $name) (eq $name "defaults") -}}
{{- $texts = append $texts (list "the function's name" $name "[a-z]([a-z0-9-]{0,61}[a-z0-9])?" "lower case letters, digits and dashes") -}}
{{- if hasKey $entry "window" -}}
{{- $texts = append $texts (list (printf "%s.window" $at) $entry.window "([6-9]|[1-9][0-9]{1,3})s|([1-9]|[1-5][0-9])m" "from 6s, the least that Knative takes, to 59m") -}}
{{- end -}}
{{- range $kind, $amounts := $entry.resources -}}
{{- range $resource, $amount := $amounts -}}
{{- $texts = append $texts (list (printf "%s.resources.%s.%s" $at $kind $resource) (include "taskmaster.text" $amount) "[0-9]+([.][0-9]+)?(m|k|M|G|Ki|Mi|Gi)?" "an amount such as 100m or 128Mi") -}}
{{- end -}}
{{- end -}}
{{- range $route := $entry.routes -}}
{{- $texts = append $texts (list (printf "%s.routes" $at) $route "(GET|POST|PUT|PATCH|DELETE) (/([A-Za-z0-9._~-]+|[{][a-z_]+[}]))+(/[*])?" "METHOD /path, such as POST /tasks/{task_id}/complete or GET /tasks/*") -}}
{{- if and (contains "{" $route) (hasSuffix "/*" $route) -}}
{{- $texts = append $texts (list (printf "%s.routes" $at) $route "never" "either with {name} or with a last /*, not both") -}}
{{- end -}}
{{- end -}}
{{- range $topic := $entry.topics -}}
{{- $texts = append $texts (list (printf "%s.topics" $at) $topic "[A-Za-z0-9._-]{1,249}" "a topic's name: letters, digits, dots, dashes and underscores") -}}
{{- end -}}
{{- range $tick, $clock := $entry.ticks -}}
{{- $texts = append $texts (list (printf "%s.ticks.%s.schedule" $at $tick) $clock.schedule "([^ ]+ ){4,5}[^ ]+" "a cron schedule, such as 7 * * * *") -}}
{{- end -}}
{{- end -}}
{{- $faults := list -}}
{{- range $texts -}}
{{- if not (regexMatch (printf "^(%s)$" (index . 2)) (toString (default "" (index . 1)))) -}}
{{- $faults = append $faults (printf "%s is %q: it has to be %s." (index . 0) (toString (index . 1)) (index . 3)) -}}
{{- end -}}
{{- end -}}
{{- range $at, $url := .Values.database.tryOut -}}
{{- if not (regexMatch "^(postgres(ql)?://[^:@/ ]+:[^@/ ]+@[^/ ]+/.+)?$" (default "" $url)) -}}
{{- $faults = append $faults (printf "database.tryOut.%s is no URL of a database: it has to be postgresql://USER:PASSWORD@HOST/DATABASE, with what is special in the password percent-encoded." $at) -}}
{{- end -}}
{{- end -}}
{{- toYaml ($faults | uniq) -}}
{{- end -}}
