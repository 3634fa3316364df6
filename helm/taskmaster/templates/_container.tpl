{{/* envFrom of the Secrets that a function's `secrets` name. Takes root and words. */}}
{{- define "taskmaster.secretRefs" -}}
{{- range $word := .words }}
{{- $of := dict "root" $.root "word" $word }}
{{- with include "taskmaster.secret" $of }}
- secretRef:
    name: {{ . }}
  {{- if ne (include "taskmaster.secretIsNeeded" $of) "true" }}
    optional: true
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Restricted Pod Security, on the container: Knative refuses a securityContext of the pod. */}}
{{- define "taskmaster.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* /tmp, and the broker's certificates. Takes root, and kafka: whether the container connects to the broker. */}}
{{- define "taskmaster.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
{{- if and .kafka .root.Values.kafka.ca.secret }}
- name: kafka-ca
  mountPath: /etc/kafka/ca
  readOnly: true
{{- end }}
{{- if and .kafka .root.Values.kafka.client.secret }}
- name: kafka-client
  mountPath: /etc/kafka/client
  readOnly: true
{{- end }}
{{- end -}}
{{- define "taskmaster.volumes" -}}
- name: tmp
  {{- /* The functions write nothing there. The limit keeps a library from filling the node's disk. */}}
  emptyDir:
    sizeLimit: 16Mi
{{- with .root.Values.kafka.ca }}
{{- if and $.kafka .secret }}
- name: kafka-ca
  secret:
    secretName: {{ .secret }}
    items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with .root.Values.kafka.client }}
{{- if and $.kafka .secret }}
- name: kafka-client
  secret:
    secretName: {{ .secret }}
    items:
      - key: {{ .certificate }}
        path: client.crt
      - key: {{ .key }}
        path: client.key
{{- end }}
{{- end }}
{{- end -}}

{{/* Resources of a container, requests first. */}}
{{- define "taskmaster.resources" -}}
{{- range $kind := list "requests" "limits" }}
{{- with get $ $kind }}
{{ $kind }}:
  {{- range $name, $amount := . }}
  {{ $name }}: {{ include "taskmaster.amount" $amount }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}
{{- define "taskmaster.amount" -}}
{{- $text := include "taskmaster.text" . -}}
{{- if regexMatch "^[0-9.]+$" $text }}{{ $text | quote }}{{ else }}{{ $text }}{{ end -}}
{{- end -}}

{{/* nodeSelector, tolerations and affinity of pods, and the Secrets to pull their image. */}}
{{- define "taskmaster.scheduling" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The sink of a source: /events, the only path on which functions accept events. The audience is that of the token by which
Knative authenticates the source, if it does. Takes root and name. */}}
{{- define "taskmaster.sink" -}}
ref:
  apiVersion: serving.knative.dev/v1
  kind: Service
  name: {{ .name }}
uri: /events
{{- with .root.Values.settings.EVENT_OIDC_AUDIENCE }}
audience: {{ . | quote }}
{{- end }}
{{- end -}}
