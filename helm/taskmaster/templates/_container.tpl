{{/* envFrom of the Secrets that a function's words name. Takes root and words. */}}
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

{{/* Restricted Pod Security, on the container: Knative takes no securityContext of the pod. */}}
{{- define "taskmaster.securityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Where the container may write, and the broker's certificates. Takes root, and kafka: whether it needs them. */}}
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
  {{- /* Nothing of ours writes there; what does must not fill the node. */}}
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

{{/* Resources of a container in the order in which people read them. */}}
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

{{/* Where pods may run. */}}
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

{{/* A source's sink: the path is where functions take events, and nowhere else. The audience is for what a source's token
is to be, where Knative signs them. Takes root and name. */}}
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
