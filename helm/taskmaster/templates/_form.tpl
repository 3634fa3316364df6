{{/* Texts of a form. A schema could only answer with its pattern, and with the text itself, were it a password. */}}
{{- define "taskmaster.faultsOfForm" -}}
{{- $texts := list -}}
{{- $label := "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?" -}}
{{- $key := printf "([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?%s" $label -}}
{{- $name := "[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?" -}}
{{- $called := "lower case letters, digits and dashes" -}}
{{- $namespace := "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?" -}}
{{- $topic := list "[A-Za-z0-9._-]{1,249}" "a topic's name: letters, digits, dots, dashes and underscores" -}}
{{- $cron := include "taskmaster.cron" . -}}
{{- with .Values.image -}}
{{- $texts = append $texts (list "image.repository" .repository "([a-z0-9]+([._-]+[a-z0-9]+)*(:[0-9]{1,5})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*" "the image's name, such as registry.example.com/taskmaster, without https://, tag and digest") -}}
{{- $texts = append $texts (list "image.tag" .tag "([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?" "a tag, or empty") -}}
{{- $texts = append $texts (list "image.digest" .digest "(sha256:[0-9a-f]{64})?" "sha256: and 64 hexadecimal digits, or empty") -}}
{{- end -}}
{{- range .Values.imagePullSecrets -}}
{{- $texts = append $texts (list "imagePullSecrets" .name $name (printf "a Secret's name: %s" $called)) -}}
{{- end -}}
{{- range $address := .Values.kafka.bootstrapServers -}}
{{- $texts = append $texts (list "kafka.bootstrapServers" $address (printf "[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:%s" (include "taskmaster.port" .)) "host:port, such as redpanda.redpanda:9092") -}}
{{- end -}}
{{- with .Values.kafka -}}
{{- $texts = append $texts (list "kafka.consumerGroupPrefix" .consumerGroupPrefix "[A-Za-z0-9._-]{0,100}" "letters, digits, dots, dashes and underscores") -}}
{{- $texts = append $texts (list "kafka.delivery.backoffDelay" .delivery.backoffDelay "PT[0-9]*[1-9][0-9]*([.][0-9]+)?[SM]|PT0?[.][0-9]*[1-9][0-9]*S" "an ISO 8601 duration above none, such as PT1S") -}}
{{- range $at, $field := dict "kafka.ca.key" .ca.key "kafka.client.certificate" .client.certificate "kafka.client.key" .client.key -}}
{{- $texts = append $texts (list $at $field "[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}" "a key of the Secret, such as ca.crt") -}}
{{- end -}}
{{- range $ours, $theirs := .topics -}}
{{- $texts = append $texts (concat (list (printf "kafka.topics.%s" $ours) $theirs) $topic) -}}
{{- end -}}
{{- end -}}
{{- $texts = append $texts (list "alarm.scheduleWhenOff" .Values.alarm.scheduleWhenOff $cron "a cron schedule, such as 2-59/10 * * * *") -}}
{{- range $at, $secret := dict "database.secret" .Values.database.secret "database.ownerSecret" .Values.database.ownerSecret "kafka.secret" .Values.kafka.secret "kafka.sourceSecret" .Values.kafka.sourceSecret "kafka.adminSecret" .Values.kafka.adminSecret "kafka.ca.secret" .Values.kafka.ca.secret "kafka.client.secret" .Values.kafka.client.secret "identity.secret" .Values.identity.secret "mail.secret" .Values.mail.secret -}}
{{- $texts = append $texts (list $at $secret (printf "(%s)?" $name) (printf "a Secret's name: %s" $called)) -}}
{{- end -}}
{{- with .Values.route -}}
{{- range $hostname := append .hostnames .domain -}}
{{- $texts = append $texts (list "route.hostnames or route.domain" $hostname $name "a host such as tasks.example.com, without https://") -}}
{{- end -}}
{{- range $at, $object := dict "route.gateway.name" .gateway.name "route.ingress.name" .ingress.name -}}
{{- $texts = append $texts (list $at $object $name $called) -}}
{{- end -}}
{{- range $at, $space := dict "route.gateway.namespace" (.gateway.namespace | default "release") "route.ingress.namespace" .ingress.namespace -}}
{{- $texts = append $texts (list $at $space $namespace (printf "a namespace: %s" $called)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.networkPolicy -}}
{{- range .callers -}}
{{- $texts = append $texts (list "networkPolicy.callers" . $namespace (printf "a namespace: %s" $called)) -}}
{{- end -}}
{{- range $at, $cidrs := pick . "databaseCidrs" "kafkaCidrs" -}}
{{- range $cidrs -}}
{{- $texts = append $texts (list (printf "networkPolicy.%s" $at) . (printf "%s/(3[0-2]|[12]?[0-9])|%s" (include "taskmaster.ipv4" .) "[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){2,7}/(12[0-8]|1[01][0-9]|[1-9]?[0-9])") "a network such as 10.0.0.0/8") -}}
{{- end -}}
{{- end -}}
{{- range .internetExcept -}}
{{- $texts = append $texts (list "networkPolicy.internetExcept" . (printf "%s/(3[0-2]|[12][0-9]|[1-9])" (include "taskmaster.ipv4" .)) "a part of IPv4 such as 10.0.0.0/8") -}}
{{- end -}}
{{- end -}}
{{- range $at, $labels := dict "labels" .Values.labels "nodeSelector" .Values.nodeSelector -}}
{{- range $its, $value := $labels -}}
{{- $texts = append $texts (list (printf "a key of %s" $at) $its $key "a label's name, such as example.com/team") -}}
{{- $texts = append $texts (list (printf "%s.%s" $at $its) $value (printf "(%s)?" $label) "at most 63 letters, digits, dashes, dots and underscores") -}}
{{- end -}}
{{- end -}}
{{- range $at, $amount := .Values.queueProxy -}}
{{- $kind := ternary "cpu" "memory" (hasPrefix "cpu" $at) -}}
{{- $texts = append $texts (concat (list (printf "queueProxy.%s" $at) (include "taskmaster.text" $amount)) (include "taskmaster.amountForm" $kind | fromYamlArray)) -}}
{{- end -}}
{{- range $name := prepend (keys .Values.functions | sortAlpha) "defaults" -}}
{{- $entry := ternary $.Values.defaults (get $.Values.functions $name) (eq $name "defaults") -}}
{{- $at := ternary "defaults" (printf "functions.%s" $name) (eq $name "defaults") -}}
{{- $texts = append $texts (list "the function's name" $name "[a-z]([a-z0-9-]{0,61}[a-z0-9])?" "at most 63 lower case letters, digits and dashes, a letter first") -}}
{{- if hasKey $entry "window" -}}
{{- $texts = append $texts (list (printf "%s.window" $at) $entry.window "([6-9]|[1-9][0-9]{1,2})s|([1-9]|[1-5][0-9])m" "from 6s, the least that Knative takes, to 59m") -}}
{{- end -}}
{{- range $kind, $amounts := $entry.resources -}}
{{- range $resource, $amount := $amounts -}}
{{- $texts = append $texts (concat (list (printf "%s.resources.%s.%s" $at $kind $resource) (include "taskmaster.text" $amount)) (include "taskmaster.amountForm" $resource | fromYamlArray)) -}}
{{- end -}}
{{- end -}}
{{- range $route := $entry.routes -}}
{{- $texts = append $texts (list (printf "%s.routes" $at) $route "(GET|POST|PUT|PATCH|DELETE) (/([A-Za-z0-9._~-]+|[{][A-Za-z_][A-Za-z0-9_]*[}]))+(/[*])?" "METHOD /path, such as POST /tasks/{task_id}/complete or GET /tasks/*") -}}
{{- if and (contains "{" $route) (hasSuffix "/*" $route) -}}
{{- $texts = append $texts (list (printf "%s.routes" $at) $route "never" "either with {name} or with a last /*, not both") -}}
{{- end -}}
{{- end -}}
{{- range $entry.topics -}}
{{- $texts = append $texts (concat (list (printf "%s.topics" $at) .) $topic) -}}
{{- end -}}
{{- range $tick, $clock := $entry.ticks -}}
{{- $texts = append $texts (list (printf "a name in %s.ticks" $at) $tick $namespace $called) -}}
{{- $texts = append $texts (list (printf "%s.ticks.%s.schedule" $at $tick) $clock.schedule $cron "a cron schedule, such as 7 * * * *") -}}
{{- end -}}
{{- range $annotation, $_ := $entry.annotations -}}
{{- $texts = append $texts (list (printf "a key of %s.annotations" $at) $annotation $key "an annotation's name, such as autoscaling.knative.dev/target") -}}
{{- end -}}
{{- end -}}
{{- $faults := list -}}
{{- range $texts -}}
{{- if not (regexMatch (printf "^(%s)$" (index . 2)) (toString (default "" (index . 1)))) -}}
{{- $faults = append $faults (printf "%s is %q: it has to be %s." (index . 0) (toString (index . 1)) (index . 3)) -}}
{{- end -}}
{{- end -}}
{{- if not (kindIs "string" (.Values.image.tag | default "")) -}}
{{- $faults = append $faults (printf "image.tag is the number %v: put it into quotes, or YAML makes 1 of 1.0." .Values.image.tag) -}}
{{- end -}}
{{- range $at, $url := .Values.database.tryOut -}}
{{- if not (regexMatch "^(postgres(ql)?://[^:@/ ]+:[^@/ ]+@[^/ ]+/.+)?$" (default "" $url)) -}}
{{- $faults = append $faults (printf "database.tryOut.%s is no URL of a database: it has to be postgresql://USER:PASSWORD@HOST/DATABASE, with what is special in the password percent-encoded." $at) -}}
{{- end -}}
{{- end -}}
{{- toYaml ($faults | uniq) -}}
{{- end -}}

{{/* Forms that several values have, as regular expressions. */}}
{{- define "taskmaster.port" -}}
([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])
{{- end -}}
{{- define "taskmaster.ipv4" -}}
{{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" -}}
{{ printf "%s([.]%s){3}" $byte $byte }}
{{- end -}}

{{/* Five fields, or six with the seconds first, within their bounds. */}}
{{- define "taskmaster.cron" -}}
{{- $fields := list -}}
{{- range list "[0-5]?[0-9]" "[0-5]?[0-9]" "([01]?[0-9]|2[0-3])" "(0?[1-9]|[12][0-9]|3[01])" "(0?[1-9]|1[0-2]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)" "([0-6]|sun|mon|tue|wed|thu|fri|sat)" -}}
{{- $item := printf "([*?]|%s(-%s)?)(/[1-9][0-9]?)?" . . -}}
{{- $fields = append $fields (printf "%s(,%s)*" $item $item) -}}
{{- end -}}
(?i:({{ first $fields }} )?{{ rest $fields | join " " }})
{{- end -}}

{{/* What an amount of cpu or memory looks like, and an example. Takes the resource. YAML. */}}
{{- define "taskmaster.amountForm" -}}
{{- if eq . "cpu" -}}
- "[0-9]+([.][0-9]+)?m?"
- an amount of processors, such as 100m or 1
{{- else -}}
- "[0-9]+([.][0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)"
- an amount of bytes, such as 128Mi
{{- end -}}
{{- end -}}
