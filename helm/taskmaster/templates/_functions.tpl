{{/* What is wrong with an entry of `functions`, or with two of them. */}}
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
{{- $at := printf "functions.%s" $name -}}
{{- $function := include "taskmaster.function" (dict "root" $ "name" $name) | fromYaml -}}
{{- if not $entry.description -}}
{{- $faults = append $faults (printf "%s: taskmaster has no such function, and one of your own needs a description." $at) -}}
{{- end -}}
{{- $called := or $entry.topics $entry.routes $entry.ticks $entry.alarm -}}
{{- if not (or $called (eq $name "park-dead-letter")) -}}
{{- $faults = append $faults (printf "%s: nobody calls it: give it topics, routes or ticks." $at) -}}
{{- end -}}
{{- if gt (int $function.minScale) (int $function.maxScale) -}}
{{- $faults = append $faults (printf "%s: minScale %d is above maxScale %d." $at (int $function.minScale) (int $function.maxScale)) -}}
{{- end -}}
{{- if $entry.routes -}}
{{- if eq $function.visibility "cluster-local" -}}
{{- $faults = append $faults (printf "%s: it has routes, but its visibility is cluster-local: nobody outside could call them." $at) -}}
{{- end -}}
{{- if not (has "identity" $function.secrets) -}}
{{- $faults = append $faults (printf "%s: it has routes, but not identity among its secrets: nobody could sign in." $at) -}}
{{- end -}}
{{- end -}}
{{- range $route := $entry.routes -}}
{{- $same := regexReplaceAll "[{][^{}]*[}]" $route "{}" -}}
{{- if hasKey $routes $same -}}
{{- $faults = append $faults (printf "%s: the route %s is that of %s already." $at $route (get $routes $same)) -}}
{{- end -}}
{{- if hasSuffix " /events" $route -}}
{{- $faults = append $faults (printf "%s: the route %s leads nowhere: /events is for the cluster's inside alone." $at $route) -}}
{{- end -}}
{{- $_ := set $routes $same $name -}}
{{- end -}}
{{- range $tick, $_ := $entry.ticks -}}
{{- if hasKey $ticks $tick -}}
{{- $faults = append $faults (printf "%s: a PingSource %s is that of %s already." $at $tick (get $ticks $tick)) -}}
{{- end -}}
{{- $_ := set $ticks $tick $name -}}
{{- end -}}
{{- if $entry.alarm -}}
{{- $alarms = append $alarms $name -}}
{{- if le (int $function.timeoutSeconds) 240 -}}
{{- $faults = append $faults (printf "%s: timeoutSeconds is %d, but one call of it waits for reminders for up to 240 s: say more, such as 300." $at (int $function.timeoutSeconds)) -}}
{{- end -}}
{{- end -}}
{{- range $annotation, $_ := $entry.annotations -}}
{{- with get (include "taskmaster.ownAnnotations" $ | fromYaml) $annotation -}}
{{- $faults = append $faults (printf "%s.annotations.%s is made by the chart: say %s instead." $at $annotation .) -}}
{{- end -}}
{{- end -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfResources" (dict "at" (printf "%s.resources" $at) "resources" $function.resources) | fromYamlArray) -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfSettings" (dict "root" $ "at" (printf "%s.settings" $at) "settings" $entry.settings) | fromYamlArray) -}}
{{- range $setting, $_ := $entry.settings -}}
{{- if contains "OIDC_" $setting -}}
{{- $effective := merge (deepCopy $entry.settings) (deepCopy $.Values.settings) -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfIdentity" (dict "at" (printf "%s.settings" $at) "settings" $effective) | fromYamlArray) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if gt (len $alarms) 1 -}}
{{- $faults = append $faults (printf "functions: the alarm is that of one function, not of %s." ($alarms | join " and ")) -}}
{{- else if and .Values.alarm.enabled (not $alarms) -}}
{{- $faults = append $faults "alarm.enabled is true, but no function has alarm: true: reminders would wait for the hourly net. Say alarm: true for dispatch-due-reminders, or alarm.enabled=false." -}}
{{- end -}}
{{- toYaml ($faults | uniq) -}}
{{- end -}}

{{/* Annotations of a revision that follow from values, and from which. YAML. */}}
{{- define "taskmaster.ownAnnotations" -}}
autoscaling.knative.dev/window: window
autoscaling.knative.dev/min-scale: minScale
autoscaling.knative.dev/minScale: minScale
autoscaling.knative.dev/max-scale: maxScale
autoscaling.knative.dev/maxScale: maxScale
queue.sidecar.serving.knative.dev/cpu-resource-request: queueProxy.cpuRequest
queue.sidecar.serving.knative.dev/memory-resource-request: queueProxy.memoryRequest
queue.sidecar.serving.knative.dev/cpu-resource-limit: queueProxy.cpuLimit
queue.sidecar.serving.knative.dev/memory-resource-limit: queueProxy.memoryLimit
{{- end -}}
