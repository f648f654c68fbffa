{{/* Security of the containers of the server. */}}
{{- define "pulltrace.restrictedContainer" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "pulltrace.restrictedPod" -}}
runAsNonRoot: true
{{- if not (include "pulltrace.preset" . | fromYaml).usersOfNamespace }}
runAsUser: 65534
runAsGroup: 65534
fsGroup: 65534
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "pulltrace.serverEnv" -}}
- name: PULLTRACE_HTTP_ADDR
  value: ":8080"
{{- if include "pulltrace.hasTls" . }}
- name: PULLTRACE_AGENT_ADDR
  value: ":8443"
{{- end }}
- name: PULLTRACE_METRICS_ADDR
  value: ":9090"
- name: PULLTRACE_HISTORY_TTL
  value: {{ .Values.server.historyTtl | quote }}
- name: PULLTRACE_STALE_TIMEOUT
  value: {{ .Values.server.staleTimeout | quote }}
- name: PULLTRACE_MAX_PULLS
  value: {{ .Values.server.maxPulls | int64 | quote }}
- name: PULLTRACE_MAX_NODES
  value: {{ .Values.server.maxNodes | int64 | quote }}
- name: PULLTRACE_MAX_SSE_CLIENTS
  value: {{ .Values.server.maxSseClients | int64 | quote }}
- name: PULLTRACE_LOG_LEVEL
  value: {{ .Values.server.logLevel | quote }}
{{- with .Values.clusterName }}
- name: PULLTRACE_CLUSTER_NAME
  value: {{ . | quote }}
{{- end }}
{{- with .Values.server.kubeNamespaces }}
- name: PULLTRACE_KUBE_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.server.allowedHosts }}
- name: PULLTRACE_ALLOWED_HOSTS
  value: {{ join "," . | quote }}
{{- end }}
{{- if include "pulltrace.hasIdentity" . }}
- name: PULLTRACE_AGENT_IDENTITY
  value: kubernetes
- name: PULLTRACE_AGENT_AUDIENCE
  value: {{ .Values.agentIdentity.audience | quote }}
- name: PULLTRACE_AGENT_SERVICE_ACCOUNTS
  value: {{ prepend .Values.agentIdentity.serviceAccounts (printf "%s/%s" (include "pulltrace.namespace" .) (include "pulltrace.account" (list . "agent"))) | join "," | quote }}
{{- end }}
{{- if .Values.agentToken.enabled }}
- name: PULLTRACE_AGENT_TOKEN_FILE
  value: /etc/pulltrace/token/token
{{- end }}
{{- if include "pulltrace.hasTls" . }}
- name: PULLTRACE_TLS_CERT_FILE
  value: /etc/pulltrace/tls/tls.crt
- name: PULLTRACE_TLS_KEY_FILE
  value: /etc/pulltrace/tls/tls.key
{{- end }}
{{- with .Values.share.url }}
- name: PULLTRACE_SHARE_URL
  value: {{ . | quote }}
- name: PULLTRACE_SHARE_PREFIX
  value: {{ $.Values.share.prefix | quote }}
{{- with $.Values.share.maxBytes }}
- name: PULLTRACE_SHARE_MAX_BYTES
  value: {{ ternary . (int64 .) (kindIs "string" .) | quote }}
{{- end }}
- name: PULLTRACE_SHARE_PASSWORD_FILE
  value: /etc/pulltrace/share/password
{{- if $.Values.share.caSecret }}
- name: PULLTRACE_SHARE_CA_FILE
  value: /etc/pulltrace/share-ca/ca.crt
{{- end }}
{{- end }}
{{- with .Values.server.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Several servers are rather on different nodes and in different zones. */}}
{{- define "pulltrace.serverAffinity" -}}
{{- if gt (int .Values.server.replicas) 1 }}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "pulltrace.selector" (list . "server") | nindent 12 }}
{{- end }}
{{- end -}}

{{- define "pulltrace.serverSpread" -}}
{{- if gt (int .Values.server.replicas) 1 }}
- maxSkew: 1
  topologyKey: topology.kubernetes.io/zone
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "pulltrace.selector" (list . "server") | nindent 6 }}
{{- end }}
{{- end -}}

{{/* One of several servers goes on until nobody is sent to it any more, and only then ends its connections. */}}
{{- define "pulltrace.leavesSlowly" -}}
{{- $server := .Values.server -}}
{{- if and (gt (int $server.replicas) 1) (ge (int $server.terminationGracePeriodSeconds) 10) (semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version) }}true{{ end -}}
{{- end -}}

{{/* Port of the Valkey that servers share. */}}
{{- define "pulltrace.sharePort" -}}
{{- regexFind ":[0-9]+(/[0-9]*)?$" .Values.share.url | trimPrefix ":" | regexFind "^[0-9]+" | default "6379" -}}
{{- end -}}

{{- define "pulltrace.serverMounts" -}}
{{- if .Values.agentToken.enabled }}
- name: token
  mountPath: /etc/pulltrace/token
  readOnly: true
{{- end }}
{{- if include "pulltrace.hasTls" . }}
- name: tls
  mountPath: /etc/pulltrace/tls
  readOnly: true
{{- end }}
{{- if .Values.share.url }}
- name: share
  mountPath: /etc/pulltrace/share
  readOnly: true
{{- end }}
{{- if .Values.share.caSecret }}
- name: share-ca
  mountPath: /etc/pulltrace/share-ca
  readOnly: true
{{- end }}
{{- with .Values.server.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "pulltrace.serverVolumes" -}}
{{- if .Values.agentToken.enabled }}
- name: token
  secret:
    secretName: {{ include "pulltrace.tokenSecret" . }}
    defaultMode: 0440
    items:
      - key: {{ include "pulltrace.tokenKey" . }}
        path: token
{{- end }}
{{- if include "pulltrace.hasTls" . }}
- name: tls
  secret:
    secretName: {{ include "pulltrace.certificateSecret" . }}
    defaultMode: 0440
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
{{- end }}
{{- if .Values.share.url }}
- name: share
  secret:
    secretName: {{ .Values.share.existingSecret }}
    defaultMode: 0440
    items:
      - key: {{ .Values.share.passwordKey }}
        path: password
{{- end }}
{{- if .Values.share.caSecret }}
- name: share-ca
  secret:
    secretName: {{ .Values.share.caSecret }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- with .Values.server.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
