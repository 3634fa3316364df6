{{/* What values.schema.json cannot say, all faults in one message: values that do not fit each other, and what the cluster
lacks. Settings that the functions read are not checked here: the functions, and the Jobs before them, check them when they
start. */}}
{{- define "taskmaster.check" -}}
{{- $faults := concat (include "taskmaster.faultsOfValues" . | fromYamlArray) (include "taskmaster.faultsOfFunctions" . | fromYamlArray) -}}
{{- if .Values.checks -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfCluster" . | fromYamlArray) -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\ntaskmaster cannot be installed:\n  - %s\n" ($faults | join "\n  - ")) -}}
{{- end -}}
{{- end -}}

{{/* What the cluster lacks. Every cluster has apiregistration.k8s.io/v1; `helm template` without a cluster has not. */}}
{{- define "taskmaster.faultsOfCluster" -}}
{{- $faults := list -}}
{{- $has := .Capabilities.APIVersions -}}
{{- if $has.Has "apiregistration.k8s.io/v1" -}}
{{- if not ($has.Has "serving.knative.dev/v1") -}}
{{- $faults = append $faults "Knative Serving is not there (serving.knative.dev/v1): install it with a networking layer such as Kourier; knative/platform in this project does, or see https://knative.dev/docs/install." -}}
{{- end -}}
{{- if not ($has.Has "sources.knative.dev/v1") -}}
{{- $faults = append $faults "Knative Eventing is not there (sources.knative.dev/v1): install it; knative/platform in this project does, or see https://knative.dev/docs/install." -}}
{{- else if and (not .Values.dapr.broker) (not (or ($has.Has "sources.knative.dev/v1/KafkaSource") ($has.Has "sources.knative.dev/v1beta1/KafkaSource"))) -}}
{{- $faults = append $faults "KafkaSource is not there (sources.knative.dev/v1 KafkaSource): install eventing-kafka-controller and eventing-kafka-source, of the version of your Knative Eventing; knative/platform in this project does. For HTTP calls alone its CRD is enough." -}}
{{- else if not ($has.Has "sources.knative.dev/v1/PingSource") -}}
{{- $faults = append $faults "PingSource is not there (sources.knative.dev/v1 PingSource): it is part of Knative Eventing, and something else has installed its API group; install Knative Eventing." -}}
{{- end -}}
{{- if and .Values.dapr.broker .Values.dapr.operator (not ($has.Has "dapr.io/v1alpha1")) -}}
{{- $faults = append $faults "dapr.operator needs Dapr's operator, which is not there (dapr.io/v1alpha1): install Dapr, or set it to false; then the bridge's daprd runs without it." -}}
{{- end -}}
{{- if and .Values.route.enabled (not ($has.Has "gateway.networking.k8s.io/v1")) -}}
{{- $faults = append $faults "route.enabled needs the Gateway API, which is not there (gateway.networking.k8s.io/v1): install its CRDs and a gateway, or set it to false; then each function has a host of its own." -}}
{{- end -}}
{{- if and (not .Values.dapr.broker) (eq (include "taskmaster.takesOver" .) "true") -}}
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
{{- $faults = append $faults (printf "the KafkaSource %s is left over from an earlier installation, with other %s, and Helm would not change it: update it first, with `helm template --show-only templates/kafka-sources.yaml` and these values, piped into `kubectl -n %s apply -f -`." $name ($differing | join ", ") $.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $address := .Values.kafka.bootstrapServers -}}
{{- if regexMatch "NAME|REGION|PROVIDER|SERVER" $address -}}
{{- $faults = append $faults (printf "kafka.bootstrapServers is still %s, as the profile has it: set your broker's address." $address) -}}
{{- end -}}
{{- end -}}
{{- range $topic, $name := .Values.kafka.topics -}}
{{- if hasPrefix "USER-" $name -}}
{{- $faults = append $faults (printf "kafka.topics.%s is still %s, as the profile has it: set your topic's name." $topic $name) -}}
{{- end -}}
{{- end -}}
{{- if hasPrefix "USER-" .Values.kafka.consumerGroupPrefix -}}
{{- $faults = append $faults (printf "kafka.consumerGroupPrefix is still %s, as the profile has it: set your user's, because a group's name cannot be changed later." .Values.kafka.consumerGroupPrefix) -}}
{{- end -}}
{{- if eq .Values.image.repository "taskmaster-functions" -}}
{{- $faults = append $faults "image.repository is still taskmaster-functions, which no registry has: set the name under which you pushed the image, or dev.local/taskmaster if you loaded it into the nodes." -}}
{{- end -}}
{{- $features := lookup "v1" "ConfigMap" "knative-serving" "config-features" -}}
{{- range $field, $feature := dict "nodeSelector" "nodeselector" "tolerations" "tolerations" "affinity" "affinity" -}}
{{- $allowed := get ($features.data | default dict) (printf "kubernetes.podspec-%s" $feature) -}}
{{- if and $features (get $.Values $field) (ne (lower $allowed) "enabled") -}}
{{- $faults = append $faults (printf "%s is set, which Knative refuses until you run `kubectl -n knative-serving patch configmap config-features --type merge -p '{\"data\": {\"kubernetes.podspec-%s\": \"enabled\"}}'`." $field $feature) -}}
{{- end -}}
{{- end -}}
{{- /* If even the namespace's service account is not visible, nothing is known: a dry run, or the namespace does not exist yet. */ -}}
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

{{/* "true" if a KafkaSource that exists may be left over from an earlier release: in an installation, and in an upgrade after
an installation that failed. Helm adopts such an object without changing it. */}}
{{- define "taskmaster.takesOver" -}}
{{- $failed := false -}}
{{- $succeeded := false -}}
{{- range (lookup "v1" "Secret" .Release.Namespace "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- if and (eq (get $labels "owner") "helm") (eq (get $labels "name") $.Release.Name) -}}
{{- if has (get $labels "status") (list "deployed" "superseded") -}}{{- $succeeded = true -}}{{- else -}}{{- $failed = true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{ or .Release.IsInstall (and $failed (not $succeeded)) }}
{{- end -}}

{{/* The Secrets that have to exist before the installation, with their keys: [{name, keys}]. */}}
{{- define "taskmaster.secretsNeeded" -}}
{{- $secrets := list -}}
{{- if ne (include "taskmaster.makesDatabaseSecret" .) "true" -}}
{{- $secrets = append $secrets (dict "name" .Values.database.secret "keys" (list "DATABASE_URL" "SYSTEM_DATABASE_URL")) -}}
{{- if .Values.jobs.migrate -}}
{{- $secrets = append $secrets (dict "name" .Values.database.ownerSecret "keys" (list "MIGRATION_DATABASE_URL")) -}}
{{- end -}}
{{- end -}}
{{- if .Values.dapr.broker -}}
{{- range list .Values.dapr.apiTokenSecret .Values.dapr.appTokenSecret -}}
{{- $secrets = append $secrets (dict "name" . "keys" (list "token")) -}}
{{- end -}}
{{- end -}}
{{- if eq .Values.dapr.broker "redis" -}}
{{- with .Values.dapr.redis.secret -}}
{{- $secrets = append $secrets (dict "name" . "keys" (list "REDIS_PASSWORD" "REDIS_URL")) -}}
{{- end -}}
{{- end -}}
{{- if and (hasPrefix "SASL" .Values.kafka.securityProtocol) (ne (include "taskmaster.makesKafkaSecret" .) "true") -}}
{{- $secrets = append $secrets (dict "name" .Values.kafka.secret "keys" (list "KAFKA_SASL_USERNAME" "KAFKA_SASL_PASSWORD" "KAFKA_SASL_MECHANISM")) -}}
{{- end -}}
{{- range compact (list .Values.kafka.sourceSecret .Values.kafka.operatorSecret) -}}
{{- $secrets = append $secrets (dict "name" . "keys" (list "KAFKA_SASL_USERNAME" "KAFKA_SASL_PASSWORD" "KAFKA_SASL_MECHANISM")) -}}
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
