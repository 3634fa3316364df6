{{/* A quantity of Kubernetes as a number: 250m is 0.25, 64Mi is 67108864. Takes the text. */}}
{{- define "taskmaster.quantity" -}}
{{- $units := dict "m" 0.001 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{ mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[a-zA-Z]+$" .) | default 1) }}
{{- end -}}

{{/* Requests above their limits: the API server refuses such a pod. Takes at, resources. */}}
{{- define "taskmaster.faultsOfResources" -}}
{{- $faults := list -}}
{{- $requests := .resources.requests | default dict -}}
{{- $limits := .resources.limits | default dict -}}
{{- range $resource := list "cpu" "memory" "ephemeral-storage" -}}
{{- $request := include "taskmaster.text" (get $requests $resource | default "") -}}
{{- $limit := include "taskmaster.text" (get $limits $resource | default "") -}}
{{- if and $request $limit -}}
{{- if gt (include "taskmaster.quantity" $request | float64) (include "taskmaster.quantity" $limit | float64) -}}
{{- $faults = append $faults (printf "%s requests %s of %s, above its limit of %s: lower the request or raise the limit." $.at $request $resource $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}
