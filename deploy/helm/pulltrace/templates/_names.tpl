{{- define "pulltrace.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 48 | trimSuffix "-" -}}
{{- end -}}

{{- define "pulltrace.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else if contains (include "pulltrace.name" .) .Release.Name -}}
{{- .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "pulltrace.name" .) | trunc 48 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pulltrace.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* Name of an object: (list context "suffix"). */}}
{{- define "pulltrace.object" -}}
{{- $suffix := index . 1 -}}
{{- include "pulltrace.fullname" (index . 0) -}}{{- with $suffix }}-{{ . }}{{ end -}}
{{- end -}}

{{/* What never changes in an object's life: (list context "component"). */}}
{{- define "pulltrace.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "pulltrace.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of pods: without the chart's version, so that a new chart alone restarts none. */}}
{{- define "pulltrace.podLabels" -}}
{{- $ := index . 0 -}}
{{ include "pulltrace.selector" . }}
app.kubernetes.io/part-of: pulltrace
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "pulltrace.labels" -}}
{{- $ := index . 0 -}}
{{ include "pulltrace.selector" . }}
app.kubernetes.io/part-of: pulltrace
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata of an object: (list context "component" name annotations labels). */}}
{{- define "pulltrace.metadata" -}}
{{- $ := index . 0 -}}
{{- $annotations := merge (dict) (index . 3) $.Values.commonAnnotations -}}
name: {{ index . 2 }}
namespace: {{ include "pulltrace.namespace" $ }}
labels:
  {{- include "pulltrace.labels" (list $ (index . 1)) | nindent 2 }}
  {{- with index . 4 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Reference of an image: (list context image). */}}
{{- define "pulltrace.image" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := default $image.registry $.Values.global.imageRegistry -}}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default $.Chart.AppVersion $image.tag }}{{ end }}
{{- end -}}

{{- define "pulltrace.imagePullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Name of the ServiceAccount of a component: (list context "agent" or "server"). */}}
{{- define "pulltrace.account" -}}
{{- $account := (index (index . 0).Values (index . 1)).serviceAccount -}}
{{- if $account.name -}}
{{- $account.name -}}
{{- else if $account.create -}}
{{- include "pulltrace.object" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* The preset of the distribution, as YAML. */}}
{{- define "pulltrace.preset" -}}
{{- index (.Files.Get "files/distributions.yaml" | fromYaml) .Values.distribution | toYaml -}}
{{- end -}}
