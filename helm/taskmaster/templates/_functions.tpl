{{/* Entries of `functions` that do not fit the defaults or each other. */}}
{{- define "taskmaster.faultsOfFunctions" -}}
{{- $faults := list -}}
{{- $routes := dict -}}
{{- $ticks := dict "reminder-alarm" "the alarm" -}}
{{- $alarms := list -}}
{{- range $name := keys .Values.functions | sortAlpha -}}
{{- $entry := get $.Values.functions $name -}}
{{- $at := printf "functions.%s" $name -}}
{{- $function := include "taskmaster.function" (dict "root" $ "name" $name) | fromYaml -}}
{{- if gt (int $function.minScale) (int $function.maxScale) -}}
{{- $faults = append $faults (printf "%s: minScale %d is above maxScale %d." $at (int $function.minScale) (int $function.maxScale)) -}}
{{- end -}}
{{- range $route := $entry.routes -}}
{{- $same := regexReplaceAll "[{][^{}]*[}]" $route "{}" -}}
{{- if hasKey $routes $same -}}
{{- $faults = append $faults (printf "%s: %s already has the route %s." $at (get $routes $same) $route) -}}
{{- end -}}
{{- if hasSuffix " /events" $route -}}
{{- $faults = append $faults (printf "%s: nobody could call the route %s: functions accept /events from inside the cluster only." $at $route) -}}
{{- end -}}
{{- $_ := set $routes $same $name -}}
{{- end -}}
{{- range $tick, $_ := $entry.ticks -}}
{{- if hasKey $ticks $tick -}}
{{- $faults = append $faults (printf "%s: %s already has a PingSource %s." $at (get $ticks $tick) $tick) -}}
{{- end -}}
{{- $_ := set $ticks $tick $name -}}
{{- end -}}
{{- if $entry.alarm -}}
{{- $alarms = append $alarms $name -}}
{{- end -}}
{{- range $annotation, $_ := $entry.annotations -}}
{{- with get (include "taskmaster.ownAnnotations" $ | fromYaml) $annotation -}}
{{- $faults = append $faults (printf "%s.annotations.%s: the chart sets this annotation. Set %s instead." $at $annotation .) -}}
{{- end -}}
{{- end -}}
{{- $faults = concat $faults (include "taskmaster.faultsOfResources" (dict "at" (printf "%s.resources" $at) "resources" $function.resources) | fromYamlArray) -}}
{{- end -}}
{{- if gt (len $alarms) 1 -}}
{{- $faults = append $faults (printf "functions: %s have alarm: true, but one function alone may set the alarm." ($alarms | join " and ")) -}}
{{- else if and .Values.alarm.enabled (not $alarms) -}}
{{- $faults = append $faults "alarm.enabled is true, but no function has alarm: true, so every reminder would wait for the hourly call. Set alarm: true for dispatch-due-reminders, or alarm.enabled to false." -}}
{{- end -}}
{{- toYaml ($faults | uniq) -}}
{{- end -}}

{{/* The annotations of a revision that follow from values, and the value of each. YAML. */}}
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
