{{/* What a schema cannot say, all faults in one message: values that do not go together, and what the cluster lacks. */}}
{{- define "taskmaster.check" -}}
{{- $faults := concat (include "taskmaster.faultsOfForm" . | fromYamlArray) (include "taskmaster.faultsOfValues" . | fromYamlArray) (include "taskmaster.faultsOfFunctions" . | fromYamlArray) -}}
{{- if .Values.checks -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfCluster" . | fromYamlArray) -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\ntaskmaster cannot be installed:\n  - %s\n" ($faults | join "\n  - ")) -}}
{{- end -}}
{{- end -}}

{{- define "taskmaster.faultsOfValues" -}}
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
{{- with .Values.database -}}
{{- if or .tryOut.url .tryOut.systemUrl .tryOut.ownerUrl -}}
{{- if or (not .tryOut.url) (not .tryOut.systemUrl) (and $.Values.jobs.migrate (not .tryOut.ownerUrl)) -}}
{{- $faults = append $faults "database.tryOut wants url, systemUrl and ownerUrl, or none of them." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $topics := list "task-events" "task-updates" "dead-letters" -}}
{{- range .Values.functions -}}{{- $topics = concat $topics (.topics | default list) | uniq -}}{{- end -}}
{{- range $topic, $_ := $kafka.topics -}}
{{- if not (has $topic $topics) -}}
{{- $faults = append $faults (printf "kafka.topics names %s, which is no topic of taskmaster: it has %s." $topic ($topics | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfSettings" (dict "root" . "at" "settings" "settings" .Values.settings) | fromYamlArray) -}}
{{- range $prefix := list "OIDC" "EVENT_OIDC" -}}
{{- $issuer := get $.Values.settings (printf "%s_ISSUER" $prefix) -}}
{{- $audience := get $.Values.settings (printf "%s_AUDIENCE" $prefix) -}}
{{- if and $issuer (not $audience) -}}
{{- $faults = append $faults (printf "settings.%s_ISSUER is given without %s_AUDIENCE: say for whom its tokens have to be, or any token of that issuer would do." $prefix $prefix) -}}
{{- else if and $audience (not $issuer) -}}
{{- $faults = append $faults (printf "settings.%s_AUDIENCE is given without %s_ISSUER: say who signs the tokens." $prefix $prefix) -}}
{{- end -}}
{{- $url := get $.Values.settings (printf "%s_JWKS_URL" $prefix) -}}
{{- $keys := get $.Values.settings (printf "%s_JWKS" $prefix) -}}
{{- if and $url $keys -}}
{{- $faults = append $faults (printf "settings.%s_JWKS_URL and settings.%s_JWKS are both given: keys come from one place." $prefix $prefix) -}}
{{- end -}}
{{- if not $keys -}}
{{- with $url | default $issuer -}}
{{- if not (or (hasPrefix "https://" .) (regexMatch "^http://[^/@]*[.]svc([.]cluster[.]local)?[.]?(:[0-9]+)?(/|$)" .)) -}}
{{- $faults = append $faults (printf "settings.%s_%s is %s, and keys come by https, or by http from a Service of the cluster: http://NAME.NAMESPACE.svc." $prefix (ternary "JWKS_URL" "ISSUER" (not (empty $url))) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.settings.EVENT_OIDC_REQUIRED (not .Values.settings.EVENT_OIDC_ISSUER) -}}
{{- $faults = append $faults "settings.EVENT_OIDC_REQUIRED is true without EVENT_OIDC_ISSUER: no event would be taken." -}}
{{- end -}}
{{- if contains "kubernetes.default.svc" (toString .Values.settings.EVENT_OIDC_JWKS_URL) -}}
{{- $faults = append $faults "settings.EVENT_OIDC_JWKS_URL is the cluster's own API, for which the functions have no token: say EVENT_OIDC_JWKS instead, what `kubectl get --raw /openid/v1/jwks` prints." -}}
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
  "DEV_TOKEN_SECRET" "it is for a laptop: on a cluster OIDC_ISSUER and OIDC_AUDIENCE say whose tokens are accepted"
  "CLOCK_OFFSET_FILE" "it is for a laptop" "KUBERNETES_API_URL" "it is for a laptop"
-}}
{{- range $name, $value := .settings -}}
{{- if and (hasKey $because $name) (ne (toString $value) "") -}}
{{- $faults = append $faults (printf "%s.%s: %s." $.at $name (get $because $name)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}

{{- define "taskmaster.faultsOfFunctions" -}}
{{- $faults := list -}}
{{- if not (hasKey .Values.functions "park-dead-letter") -}}
{{- $faults = append $faults "functions has no park-dead-letter, to which every KafkaSource sends what cannot be handled: without it such events are lost." -}}
{{- end -}}
{{- $routes := dict -}}
{{- $ticks := dict "reminder-alarm" "the alarm" -}}
{{- $alarms := list -}}
{{- range $name := keys .Values.functions | sortAlpha -}}
{{- $entry := get $.Values.functions $name -}}
{{- $function := include "taskmaster.function" (dict "root" $ "name" $name) | fromYaml -}}
{{- $called := or $entry.topics $entry.routes $entry.ticks $entry.alarm -}}
{{- if not (or $called (eq $name "park-dead-letter")) -}}
{{- $faults = append $faults (printf "functions.%s: nobody calls it: give it topics, routes or ticks." $name) -}}
{{- end -}}
{{- if gt (int $function.minScale) (int $function.maxScale) -}}
{{- $faults = append $faults (printf "functions.%s: minScale %d is above maxScale %d." $name (int $function.minScale) (int $function.maxScale)) -}}
{{- end -}}
{{- if and $entry.routes (eq $function.visibility "cluster-local") -}}
{{- $faults = append $faults (printf "functions.%s: it has routes, but its visibility is cluster-local: nobody outside could call them." $name) -}}
{{- end -}}
{{- range $route := $entry.routes -}}
{{- if hasKey $routes $route -}}
{{- $faults = append $faults (printf "functions.%s: the route %s is that of %s already." $name $route (get $routes $route)) -}}
{{- end -}}
{{- $_ := set $routes $route $name -}}
{{- end -}}
{{- range $tick, $_ := $entry.ticks -}}
{{- if hasKey $ticks $tick -}}
{{- $faults = append $faults (printf "functions.%s: a PingSource %s is that of %s already." $name $tick (get $ticks $tick)) -}}
{{- end -}}
{{- $_ := set $ticks $tick $name -}}
{{- end -}}
{{- if $entry.alarm -}}{{- $alarms = append $alarms $name -}}{{- end -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfSettings" (dict "root" $ "at" (printf "functions.%s.settings" $name) "settings" $entry.settings) | fromYamlArray) -}}
{{- end -}}
{{- if gt (len $alarms) 1 -}}
{{- $faults = append $faults (printf "functions: the alarm is that of one function, not of %s." ($alarms | join " and ")) -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}

{{/* A cluster is known by the API that every one has and `helm template` knows nothing of. */}}
{{- define "taskmaster.faultsOfCluster" -}}
{{- $faults := list -}}
{{- $has := .Capabilities.APIVersions -}}
{{- if $has.Has "apiregistration.k8s.io/v1" -}}
{{- if not ($has.Has "serving.knative.dev/v1") -}}
{{- $faults = append $faults "Knative Serving is not there (serving.knative.dev/v1): install it with a networking layer such as Kourier; knative/platform in this project does, or see https://knative.dev/docs/install." -}}
{{- end -}}
{{- if not ($has.Has "sources.knative.dev/v1") -}}
{{- $faults = append $faults "Knative Eventing is not there (sources.knative.dev/v1): install it; knative/platform in this project does, or see https://knative.dev/docs/install." -}}
{{- else if not (or ($has.Has "sources.knative.dev/v1/KafkaSource") ($has.Has "sources.knative.dev/v1beta1/KafkaSource")) -}}
{{- $faults = append $faults "KafkaSource is not there (sources.knative.dev/v1 KafkaSource): install eventing-kafka-controller and eventing-kafka-source, of the version of your Knative Eventing; knative/platform in this project does. To try out HTTP alone its CRD suffices." -}}
{{- else if not ($has.Has "sources.knative.dev/v1/PingSource") -}}
{{- $faults = append $faults "PingSource is not there (sources.knative.dev/v1 PingSource): it is part of Knative Eventing, of which something else brought the API group; install Knative Eventing." -}}
{{- end -}}
{{- if and .Values.route.enabled (not ($has.Has "gateway.networking.k8s.io/v1")) -}}
{{- $faults = append $faults "route.enabled wants the Gateway API, which is not there (gateway.networking.k8s.io/v1): install its CRDs and a gateway, or leave the route off: each function has a host of its own." -}}
{{- end -}}
{{- /* Helm takes over what an uninstall has left, and leaves it as it is. */ -}}
{{- if .Release.IsInstall -}}
{{- range $name := keys .Values.functions | sortAlpha -}}
{{- $there := lookup (include "taskmaster.kafkaSourceVersion" $) "KafkaSource" $.Release.Namespace $name -}}
{{- if and $there (get $.Values.functions $name).topics -}}
{{- $wanted := include "taskmaster.kafkaSource" (dict "root" $ "name" $name) | fromYaml -}}
{{- $differing := list -}}
{{- range $key := list "bootstrapServers" "topics" "consumerGroup" "ordering" "net" -}}
{{- if ne (get $wanted $key | toJson) (get $there.spec $key | toJson) -}}{{- $differing = append $differing $key -}}{{- end -}}
{{- end -}}
{{- range $key := list "retry" "backoffPolicy" "backoffDelay" "timeout" -}}
{{- if ne (get ($wanted.delivery | default dict) $key | toJson) (get ($there.spec.delivery | default dict) $key | toJson) -}}{{- $differing = append $differing (printf "delivery.%s" $key) -}}{{- end -}}
{{- end -}}
{{- if $differing -}}
{{- $faults = append $faults (printf "the KafkaSource %s is there from an earlier installation, with other %s, and Helm would leave it so: bring it up to date first, with `helm template --show-only templates/kafka-sources.yaml` and these values, piped into `kubectl -n %s apply -f -`." $name ($differing | join ", ") $.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $address := .Values.kafka.bootstrapServers -}}
{{- if regexMatch "NAME|REGION|PROVIDER|SERVER" $address -}}
{{- $faults = append $faults (printf "kafka.bootstrapServers is still %s, as the profile has it: say your broker's address." $address) -}}
{{- end -}}
{{- end -}}
{{- range $topic, $name := .Values.kafka.topics -}}
{{- if hasPrefix "USER-" $name -}}
{{- $faults = append $faults (printf "kafka.topics.%s is still %s, as the profile has it: say your topic's name." $topic $name) -}}
{{- end -}}
{{- end -}}
{{- /* Where even the namespace's own account cannot be seen, nothing is known: a dry run, or a namespace still to be made. */ -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "default" -}}
{{- range $secret := include "taskmaster.secretsNeeded" . | fromYamlArray -}}
{{- $there := lookup "v1" "Secret" $.Release.Namespace $secret.name -}}
{{- if not $there -}}
{{- $faults = append $faults (printf "there is no Secret %s in the namespace %s: make it with the keys %s." $secret.name $.Release.Namespace ($secret.keys | join ", ")) -}}
{{- else -}}
{{- range $key := $secret.keys -}}
{{- if not (hasKey ($there.data | default dict) $key) -}}
{{- $faults = append $faults (printf "the Secret %s has no key %s." $secret.name $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}

{{/* The Secrets that have to be there before, with their keys: [{name, keys}]. */}}
{{- define "taskmaster.secretsNeeded" -}}
{{- $secrets := list -}}
{{- if ne (include "taskmaster.makesDatabaseSecret" .) "true" -}}
{{- $secrets = append $secrets (dict "name" .Values.database.secret "keys" (list "DATABASE_URL" "SYSTEM_DATABASE_URL")) -}}
{{- if .Values.jobs.migrate -}}
{{- $secrets = append $secrets (dict "name" .Values.database.ownerSecret "keys" (list "MIGRATION_DATABASE_URL")) -}}
{{- end -}}
{{- end -}}
{{- if and (hasPrefix "SASL" .Values.kafka.securityProtocol) (ne (include "taskmaster.makesKafkaSecret" .) "true") -}}
{{- $secrets = append $secrets (dict "name" .Values.kafka.secret "keys" (list "KAFKA_SASL_USERNAME" "KAFKA_SASL_PASSWORD" "KAFKA_SASL_MECHANISM")) -}}
{{- end -}}
{{- with .Values.kafka.ca -}}
{{- if .secret -}}{{- $secrets = append $secrets (dict "name" .secret "keys" (list .key)) -}}{{- end -}}
{{- end -}}
{{- with .Values.kafka.client -}}
{{- if .secret -}}{{- $secrets = append $secrets (dict "name" .secret "keys" (list .certificate .key)) -}}{{- end -}}
{{- end -}}
{{- with .Values.mail.secret -}}
{{- $secrets = append $secrets (dict "name" . "keys" (list "SMTP_URL" "MAIL_FROM")) -}}
{{- end -}}
{{- toYaml $secrets -}}
{{- end -}}
