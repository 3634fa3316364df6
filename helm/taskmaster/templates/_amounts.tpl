{{/* A quantity of Kubernetes as a number: 250m is 0.25, 64Mi is 67108864. Takes the text. */}}
{{- define "taskmaster.quantity" -}}
{{- $units := dict "m" 0.001 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{ mulf (regexFind "^[0-9.]+" . | default "0" | float64) (get $units (regexFind "[a-zA-Z]+$" .) | default 1) }}
{{- end -}}

{{/* An ISO 8601 duration of one part, PT1S or PT2M, in seconds. Takes the text. */}}
{{- define "taskmaster.seconds" -}}
{{ mulf (regexFind "[0-9.]+" . | default "0" | float64) (ternary 60 1 (hasSuffix "M" .)) }}
{{- end -}}

{{/* What is asked for has to fit into what is allowed: otherwise no pod is ever made. Takes at, resources. */}}
{{- define "taskmaster.faultsOfResources" -}}
{{- $faults := list -}}
{{- $requests := .resources.requests | default dict -}}
{{- $limits := .resources.limits | default dict -}}
{{- range $resource := list "cpu" "memory" "ephemeral-storage" -}}
{{- $asked := include "taskmaster.text" (get $requests $resource | default "") -}}
{{- $allowed := include "taskmaster.text" (get $limits $resource | default "") -}}
{{- range $amount := list $asked $allowed | compact -}}
{{- if eq (include "taskmaster.quantity" $amount | float64) 0.0 -}}
{{- $faults = append $faults (printf "%s: %s of %s is nothing: a pod would never run." $.at $resource $amount) -}}
{{- end -}}
{{- end -}}
{{- if and $asked $allowed -}}
{{- if gt (include "taskmaster.quantity" $asked | float64) (include "taskmaster.quantity" $allowed | float64) -}}
{{- $faults = append $faults (printf "%s asks for more %s than it is allowed, %s of %s: no pod could be made." $.at $resource $asked $allowed) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $faults -}}
{{- end -}}
