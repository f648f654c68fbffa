{{/* The pod that makes Secrets, or renews what is due. */}}
{{- define "pulltrace.secretsPod" -}}
metadata:
  labels:
    {{- include "pulltrace.podLabels" (list . "secrets") | nindent 4 }}
  {{- with merge (dict) .Values.secretsJob.podAnnotations .Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with include "pulltrace.imagePullSecrets" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  serviceAccountName: {{ include "pulltrace.object" (list . "secrets") }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  restartPolicy: Never
  {{- with .Values.server.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.secretsJob.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.secretsJob.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.secretsJob.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml (merge (dict) .Values.server.podSecurityContext (include "pulltrace.restrictedPod" . | fromYaml)) | nindent 4 }}
  containers:
    - name: make-secrets
      image: {{ include "pulltrace.image" (list . .Values.server.image) }}
      imagePullPolicy: {{ .Values.server.image.pullPolicy }}
      args: [--make-secrets]
      securityContext:
        {{- toYaml (merge (dict) .Values.server.securityContext (include "pulltrace.restrictedContainer" . | fromYaml)) | nindent 8 }}
      env:
        - name: PULLTRACE_SECRETS_NAMESPACE
          value: {{ include "pulltrace.namespace" . }}
        {{- range $setting, $kind := include "pulltrace.madeSecrets" . | fromYaml }}
        - name: PULLTRACE_SECRETS_{{ $setting }}
          value: {{ include "pulltrace.object" (list $ $kind) }}
        {{- end }}
        {{- if include "pulltrace.makesTls" . }}
        - name: PULLTRACE_SECRETS_DNS_NAMES
          value: {{ prepend .Values.tls.extraNames (include "pulltrace.agentsName" .) | join "," | quote }}
        - name: PULLTRACE_SECRETS_CA_LIFE
          value: {{ .Values.secretsJob.caLife | quote }}
        - name: PULLTRACE_SECRETS_CERT_LIFE
          value: {{ .Values.secretsJob.certificateLife | quote }}
        {{- end }}
        {{- if include "pulltrace.makesToken" . }}
        - name: PULLTRACE_SECRETS_TOKEN_LIFE
          value: {{ .Values.secretsJob.tokenLife | quote }}
        {{- end }}
        - name: PULLTRACE_SECRETS_SETTLE
          value: {{ .Values.secretsJob.settle | quote }}
        {{- with .Values.secretsJob.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .Values.secretsJob.resources | nindent 8 }}
{{- end -}}
