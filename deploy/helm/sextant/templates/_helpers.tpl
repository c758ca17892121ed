{{- define "sextant.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sextant.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sextant.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What never changes of a release, for selectors. With `component` when given a pair. */}}
{{- define "sextant.releaseLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of one kind of pod: (list $ COMPONENT). */}}
{{- define "sextant.selectorLabels" -}}
{{ include "sextant.releaseLabels" (first .) }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{- define "sextant.podLabels" -}}
{{ include "sextant.selectorLabels" . }}
{{- with first . }}
app.kubernetes.io/version: {{ include "sextant.tag" . | quote }}
app.kubernetes.io/part-of: sextant
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* metadata of an object: (list $ COMPONENT SUFFIX), the name being FULLNAME or FULLNAME-SUFFIX.
     A dictionary behind them holds another name, further annotations and labels. */}}
{{- define "sextant.metadata" -}}
{{- $root := index . 0 -}}
{{- $suffix := index . 2 -}}
{{- $more := dict -}}
{{- if gt (len .) 3 -}}{{- $more = index . 3 -}}{{- end -}}
{{- $name := include "sextant.fullname" $root -}}
{{- with $suffix }}{{ $name = printf "%s-%s" $name . }}{{ end -}}
name: {{ default $name $more.name }}
namespace: {{ $root.Release.Namespace }}
labels:
  helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
  {{- include "sextant.podLabels" (list $root (index . 1)) | nindent 2 }}
  {{- with $more.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) $more.annotations) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sextant.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag | trunc 63 -}}
{{- end -}}

{{/* The image of "router" or "worker": (list $ WHICH). */}}
{{- define "sextant.image" -}}
{{- $image := (first .).Values.image -}}
{{- $name := $image.router -}}
{{- $digest := $image.routerDigest -}}
{{- if eq (last .) "worker" -}}
{{- $name = default (printf "sextant-worker-%s" (first .).Values.backend) $image.worker -}}
{{- $digest = $image.workerDigest -}}
{{- end -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $name }}{{ if $digest }}@{{ $digest }}{{ else }}:{{ include "sextant.tag" (first .) }}{{ end }}
{{- end -}}

{{/* Lays dictionaries over each other, given as a list, and gives JSON: lists are joined, maps
     merged, and what is single or null in an earlier one is replaced. */}}
{{- define "sextant.layOver" -}}
{{- $out := dict -}}
{{- range . -}}
{{- range $key, $value := . -}}
{{- $have := get $out $key -}}
{{- if and (kindIs "slice" $value) (kindIs "slice" $have) -}}
{{- $value = concat $have $value -}}
{{- else if and (kindIs "map" $value) (kindIs "map" $have) -}}
{{- $value = mergeOverwrite (deepCopy $have) $value -}}
{{- end -}}
{{- $_ := set $out $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{/* The kinds of node pods as JSON: component, replicas, workers of each kind in a pod, the settings
     of the node, and those of its pod. */}}
{{- define "sextant.pools" -}}
{{- $v := .Values -}}
{{- $attention := dict "component" "attention" "replicas" $v.attentionWorkers.nodes
      "attention" $v.attentionWorkers.perNode "experts" 0 "whole" 0 "own" $v.attentionWorkers.node -}}
{{- $expert := dict "component" "expert" "replicas" $v.expertWorkers.nodes
      "attention" 0 "experts" $v.expertWorkers.perNode "whole" 0 "own" $v.expertWorkers.node -}}
{{- $both := dict "component" "node" "replicas" $v.expertWorkers.nodes
      "attention" $v.attentionWorkers.perNode "experts" $v.expertWorkers.perNode "whole" 0 "own" (dict) -}}
{{- $whole := dict "component" "node" "replicas" $v.wholeWorkers.nodes
      "attention" 0 "experts" 0 "whole" $v.wholeWorkers.perNode "own" (dict) -}}
{{- $pools := list -}}
{{- range get (dict "colocated" (list $both) "apart" (list $attention $expert) "whole" (list $whole)) $v.layout -}}
{{- $node := include "sextant.layOver" (list $v.node .own) | fromJson -}}
{{- $pod := include "sextant.layOver" (list $v.pod $v.node.pod (default (dict) .own.pod)
      (pick $node "spreadOverHosts")) | fromJson -}}
{{- $pools = append $pools (merge (dict "node" $node "pod" $pod) .) -}}
{{- end -}}
{{- toJson $pools -}}
{{- end -}}

{{/* A Kubernetes quantity such as 80Gi, 1.5G or 1000 in bytes. */}}
{{- define "sextant.bytes" -}}
{{- $factors := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824
      "Ti" 1099511627776 -}}
{{- $text := toString . -}}
{{- $unit := regexFind "[kMGT]i?$|Ki$" $text -}}
{{- mulf (float64 (trimSuffix $unit $text)) (get $factors $unit) | int64 -}}
{{- end -}}

{{/* Bytes for people. */}}
{{- define "sextant.size" -}}
{{- if lt (int64 .) 1073741824 -}}
{{- printf "%.0f MiB" (divf . 1048576) -}}
{{- else -}}
{{- printf "%.1f GiB" (divf . 1073741824) -}}
{{- end -}}
{{- end -}}
