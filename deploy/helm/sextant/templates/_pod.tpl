{{/* The template of a pod, the same for every kind. Takes a dictionary:
       root, component, pod   the release's scope, the kind, and its settings laid over each other
       config                 the text of sextant.yaml whose change restarts the pod
       image                  "router" or "worker"
       command, args          of the container
       env                    a list in YAML, may be empty
       ports                  name: number
       probePort, readiness   kubelet asks grpc.health.v1 there; readiness is the service's name
       resources              of the container
       sharedMemory           size of /dev/shm; empty for what the runtime gives
       preStopSeconds         between the decision that the pod goes and SIGTERM; may be absent */}}
{{- define "sextant.podTemplate" -}}
{{- $root := .root -}}
{{- $pod := .pod -}}
{{- $who := list $root .component -}}
metadata:
  labels:
    {{- include "sextant.podLabels" $who | nindent 4 }}
    {{- with $pod.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ .config | sha256sum }}
    {{- with merge (dict) $pod.annotations $root.Values.commonAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "sextant.serviceAccount" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "sextant.gracePeriod" $pod.terminationGracePeriodSeconds | default (add $root.Values.drainSeconds (default 0 .preStopSeconds) 15) }}
  {{- include "sextant.placement" (list $root .component $pod) | nindent 2 }}
  {{- if or $pod.extraInitContainers (eq $root.Values.model.source "download") }}
  initContainers:
    {{- if eq $root.Values.model.source "download" }}
    {{- include "sextant.downloadContainer" (list $root .component $pod) | nindent 4 }}
    {{- end }}
    {{- with $pod.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "sextant.image" (list $root .image) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: {{ toJson .command }}
      args: {{ toJson (concat .args $pod.extraArgs) }}
      {{- with concat (default (list) .env) $pod.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $pod.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- range $name, $number := .ports }}
        - {name: {{ $name }}, containerPort: {{ $number }}}
        {{- end }}
      startupProbe: {{- include "sextant.probe" (list .probePort "" $pod.startupProbe) | nindent 8 }}
      readinessProbe: {{- include "sextant.probe" (list .probePort .readiness $pod.readinessProbe) | nindent 8 }}
      livenessProbe: {{- include "sextant.probe" (list .probePort "" $pod.livenessProbe) | nindent 8 }}
      {{- if and .preStopSeconds (semverCompare ">=1.30-0" $root.Capabilities.KubeVersion.Version) }}
      lifecycle: {preStop: {sleep: {seconds: {{ int .preStopSeconds }}}}}
      {{- end }}
      resources: {{- toYaml .resources | nindent 8 }}
      securityContext: {{- toYaml $pod.containerSecurityContext | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/sextant, readOnly: true}
        - {name: run, mountPath: /run/sextant}
        - {name: tmp, mountPath: /tmp}
        {{- if .sharedMemory }}
        - {name: shared-memory, mountPath: /dev/shm}
        {{- end }}
        {{- if ne $root.Values.model.source "bundled" }}
        - {name: model, mountPath: /models/{{ $root.Values.model.name }}, readOnly: true}
        {{- end }}
        {{- with $pod.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $pod.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "sextant.fullname" $root }}-{{ .component }}}
    - name: run
      emptyDir: {sizeLimit: 16Mi}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    {{- with .sharedMemory }}
    - name: shared-memory
      emptyDir: {medium: Memory, sizeLimit: {{ . }}}
    {{- end }}
    {{- with include "sextant.modelVolume" $who }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if eq $root.Values.model.source "download" }}
    - name: download
      configMap: {name: {{ include "sextant.fullname" $root }}-download}
    {{- end }}
    {{- with $pod.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Where a pod may run and as whom: (list $ COMPONENT POD). */}}
{{- define "sextant.placement" -}}
{{- $root := index . 0 -}}
{{- $pod := index . 2 -}}
{{- $spread := $pod.topologySpreadConstraints -}}
{{- if $pod.spreadOverHosts -}}
{{- $selector := include "sextant.selectorLabels" (list $root (index . 1)) | fromYaml -}}
{{- $spread = append $spread (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname"
      "whenUnsatisfiable" "ScheduleAnyway" "labelSelector" (dict "matchLabels" $selector)) -}}
{{- end -}}
securityContext: {{- toYaml $pod.securityContext | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" "schedulerName" }}
{{- with get $pod $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- with $spread }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $pod.hostNetwork }}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- end -}}

{{- define "sextant.gracePeriod" -}}
{{- if not (kindIs "invalid" .) -}}{{ int . }}{{- end -}}
{{- end -}}

{{/* (list PORT SERVICE SETTINGS) */}}
{{- define "sextant.probe" -}}
grpc: {port: {{ index . 0 }}, service: {{ index . 1 | quote }}}
{{ toYaml (index . 2) }}
{{- end -}}

{{/* What a node's container asks for, GPUs and other extended resources included: the settings. */}}
{{- define "sextant.nodeResources" -}}
{{- $more := .extendedResources -}}
{{- if .gpus -}}
{{- $more = merge (dict .gpuResource (int .gpus)) $more -}}
{{- end -}}
{{- $out := deepCopy .resources -}}
{{- if $more -}}
{{- $_ := set $out "requests" (merge (default (dict) $out.requests) $more) -}}
{{- $_ := set $out "limits" (merge (default (dict) $out.limits) $more) -}}
{{- end -}}
{{- toYaml $out -}}
{{- end -}}
