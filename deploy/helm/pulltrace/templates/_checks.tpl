{{/* Values that do not go together are refused here, each with what to do. */}}
{{- define "pulltrace.check" -}}
{{- if and .Values.agent.enabled (not .Values.agent.runtimeSocket.risksAcknowledged) -}}
{{- fail "The agent mounts the folder of containerd's socket, and whoever may talk to that socket is root on the node (docs/security.md). If you want that, set agent.runtimeSocket.risksAcknowledged=true; without the agent (agent.enabled=false) the server shows what the kubelet says of pulls." -}}
{{- end -}}
{{- $outside := list -}}
{{- if has .Values.server.service.type (list "NodePort" "LoadBalancer") }}{{ $outside = append $outside (printf "server.service.type=%s" .Values.server.service.type) }}{{ end -}}
{{- if .Values.server.ingress.enabled }}{{ $outside = append $outside "server.ingress.enabled" }}{{ end -}}
{{- if .Values.server.httpRoute.enabled }}{{ $outside = append $outside "server.httpRoute.enabled" }}{{ end -}}
{{- if and .Values.server.enabled $outside (not .Values.server.service.exposureAcknowledged) -}}
{{- fail (printf "%s makes the page reachable from outside of the cluster, and it asks nobody who they are: names of images, pods and nodes can be read by anyone who reaches it (docs/security.md). If something in front asks, or you want that, set server.service.exposureAcknowledged=true." (join " and " $outside)) -}}
{{- end -}}
{{- if not (or .Values.agent.enabled .Values.server.enabled) -}}
{{- fail "agent.enabled and server.enabled are both false: there is nothing to install." -}}
{{- end -}}
{{- if and .Values.agent.enabled (not .Values.server.enabled) (not .Values.agent.serverUrl) -}}
{{- fail "server.enabled is false: set agent.serverUrl to where the server is, such as https://pulltrace.example.org." -}}
{{- end -}}
{{- if and .Values.agentToken.enabled (not .Values.agentToken.existingSecret) (not .Values.server.enabled) -}}
{{- fail "server.enabled is false: the token of that server is not known here. Copy its Secret into this namespace and set agentToken.existingSecret, or, if that server asks for none, agentToken.enabled=false." -}}
{{- end -}}
{{- if and .Values.tls.existingSecret .Values.tls.certManager.enabled -}}
{{- fail "tls.existingSecret and tls.certManager.enabled exclude each other: who makes the certificate?" -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.enabled needs tls.certManager.issuerRef.name, the issuer that signs the certificate." -}}
{{- end -}}
{{- if and .Values.server.httpRoute.enabled (not .Values.server.httpRoute.parentRefs) -}}
{{- fail "server.httpRoute.enabled needs server.httpRoute.parentRefs, the Gateways that the route belongs to." -}}
{{- end -}}
{{- if and .Values.server.enabled (gt (int .Values.server.replicas) 1) (not .Values.share.url) -}}
{{- fail (printf "server.replicas=%d: several servers need share.url, a Valkey or Redis that they share, such as valkeys://pulltrace@valkey.example.org:6379; else each would show only what it hears itself (docs/replicas.md)." (int .Values.server.replicas)) -}}
{{- end -}}
{{- if and .Values.server.enabled .Values.share.url (not .Values.share.existingSecret) -}}
{{- fail "share.url needs share.existingSecret, a Secret with the password of its user: whoever may write there speaks for all nodes (docs/security.md)." -}}
{{- end -}}
{{- if and .Values.share.caSecret (not (regexMatch "^(valkeys|rediss)://" .Values.share.url)) -}}
{{- fail "share.caSecret is for TLS: write share.url with valkeys:// or rediss://." -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both true: every figure would count twice." -}}
{{- end -}}
{{- end -}}
