{{/* Which Secrets hold certificate, CA and token. */}}

{{- define "pulltrace.hasTls" -}}
{{- if and .Values.server.enabled (or .Values.tls.existingSecret .Values.tls.certManager.enabled) }}true{{ end -}}
{{- end -}}

{{- define "pulltrace.certificateSecret" -}}
{{- default (include "pulltrace.object" (list . "tls")) .Values.tls.existingSecret -}}
{{- end -}}

{{- define "pulltrace.authoritySecret" -}}
{{- if .Values.tls.caSecret -}}
{{- .Values.tls.caSecret -}}
{{- else if include "pulltrace.hasTls" . -}}
{{- include "pulltrace.certificateSecret" . -}}
{{- end -}}
{{- end -}}

{{- define "pulltrace.serverName" -}}
{{ include "pulltrace.fullname" . }}.{{ include "pulltrace.namespace" . }}.svc
{{- end -}}

{{- define "pulltrace.serverUrl" -}}
{{- if .Values.agent.serverUrl -}}
{{- .Values.agent.serverUrl -}}
{{- else -}}
{{- ternary "https" "http" (eq (include "pulltrace.hasTls" .) "true") }}://{{ include "pulltrace.serverName" . }}:{{ .Values.server.service.port }}
{{- end -}}
{{- end -}}
