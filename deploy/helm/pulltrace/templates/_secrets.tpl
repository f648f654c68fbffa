{{/* Which Secrets hold certificate, CAs and token, and whether this chart has them made. */}}

{{/* Agents report by TLS to the server of this release. */}}
{{- define "pulltrace.hasTls" -}}
{{- if and .Values.server.enabled .Values.tls.enabled }}true{{ end -}}
{{- end -}}

{{- define "pulltrace.makesTls" -}}
{{- if and (include "pulltrace.hasTls" .) (not .Values.tls.existingSecret) (not .Values.tls.certManager.enabled) }}true{{ end -}}
{{- end -}}

{{- define "pulltrace.makesToken" -}}
{{- if and .Values.server.enabled .Values.agentToken.enabled (not .Values.agentToken.existingSecret) }}true{{ end -}}
{{- end -}}

{{/* What is made, by the names that the Job knows it by: the setting ends in the upper one, the label is the value. */}}
{{- define "pulltrace.madeSecrets" -}}
{{- if include "pulltrace.makesTls" . }}
CA: ca
CA_BUNDLE: ca-bundle
TLS: tls
{{- end }}
{{- if include "pulltrace.makesToken" . }}
TOKEN: token
{{- end }}
{{- end -}}

{{- define "pulltrace.certificateSecret" -}}
{{- default (include "pulltrace.object" (list . "tls")) .Values.tls.existingSecret -}}
{{- end -}}

{{/* The Secret whose ca.crt agents trust; nothing: the CAs of the image. */}}
{{- define "pulltrace.authoritySecret" -}}
{{- if .Values.tls.caSecret -}}
{{- .Values.tls.caSecret -}}
{{- else if include "pulltrace.makesTls" . -}}
{{- include "pulltrace.object" (list . "ca-bundle") -}}
{{- else if include "pulltrace.hasTls" . -}}
{{- include "pulltrace.certificateSecret" . -}}
{{- end -}}
{{- end -}}

{{/* Agents prove which node they speak for, to a server of their own cluster. */}}
{{- define "pulltrace.hasIdentity" -}}
{{- if and .Values.agentIdentity.enabled (or .Values.server.enabled .Values.agentIdentity.serverInCluster) }}true{{ end -}}
{{- end -}}

{{- define "pulltrace.tokenSecret" -}}
{{- default (include "pulltrace.object" (list . "token")) .Values.agentToken.existingSecret -}}
{{- end -}}

{{- define "pulltrace.tokenKey" -}}
{{- ternary "token" .Values.agentToken.key (eq (include "pulltrace.makesToken" .) "true") -}}
{{- end -}}

{{/* By which agents find the server, and the name of its certificate. */}}
{{- define "pulltrace.agentsName" -}}
{{ include "pulltrace.object" (list . "agents") }}.{{ include "pulltrace.namespace" . }}.svc
{{- end -}}

{{- define "pulltrace.serverUrl" -}}
{{- if .Values.agent.serverUrl -}}
{{- .Values.agent.serverUrl -}}
{{- else -}}
{{- ternary "https" "http" (eq (include "pulltrace.hasTls" .) "true") }}://{{ include "pulltrace.agentsName" . }}:{{ .Values.server.agentService.port }}
{{- end -}}
{{- end -}}

{{/* Name of the port of the server's container to which agents report. */}}
{{- define "pulltrace.agentPort" -}}
{{- ternary "agents" "http" (eq (include "pulltrace.hasTls" .) "true") -}}
{{- end -}}
