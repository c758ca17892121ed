{{/* The ports, in one place: docs/operations.md lists them. Attention worker i of a node listens on
     workers + i and has its metrics on workerMetrics + i; expert worker j on + 64 + j, whole worker k
     on + 128 + k. */}}
{{- define "sextant.ports" -}}
{"router": 7070, "routerMetrics": 9400, "nodeHealth": 7080, "nodeMetrics": 9401, "workers": 7200,
 "workerMetrics": 9500, "perKind": 64}
{{- end -}}

{{/* (list $ PLACEMENT): the latter has rebalance, spareExperts and replicatedExperts. */}}
{{- define "sextant.routerConfig" -}}
{{- $root := index . 0 -}}
{{- $placement := index . 1 -}}
{{- $ports := include "sextant.ports" $root | fromJson -}}
{{- with $root.Values.router -}}
router:
  listen: ["0.0.0.0:{{ $ports.router }}"]
  queue: {{ int .queue }}
  wait_seconds: {{ int .waitSeconds }}
  served_model_name: {{ $root.Values.model.name | quote }}
  admin_port: {{ $ports.routerMetrics }}
{{- end }}
  rebalance: {{ $placement.rebalance }}
  spare_experts: {{ int $placement.spareExperts }}
  replicated_experts: {{ int $placement.replicatedExperts }}
{{ include "sextant.clusterConfig" $root }}
{{- end -}}

{{/* (list $ ATTENTION_WORKERS EXPERT_WORKERS WHOLE_WORKERS) */}}
{{- define "sextant.nodeConfig" -}}
{{- $root := index . 0 -}}
{{- $ports := include "sextant.ports" $root | fromJson -}}
node:
  router: {{ printf "%s-workers:%v" (include "sextant.fullname" $root) $ports.router | quote }}
  model: {{ include "sextant.modelFolder" $root | quote }}
  attention_workers: {{ int (index . 1) }}
  expert_workers: {{ int (index . 2) }}
  whole_workers: {{ int (index . 3) }}
  listen: ["0.0.0.0:{{ $ports.nodeHealth }}"]
  admin_port: {{ $ports.nodeMetrics }}
  worker_port: {{ $ports.workers }}
  worker_admin_port: {{ $ports.workerMetrics }}
{{- with $root.Values.engine }}
engine:
  threads: {{ int .threads }}
  dtype: {{ .dtype }}
  cache_tokens: {{ int64 .cacheTokens }}
  max_batch_tokens: {{ int64 .maxBatchTokens }}
{{- end }}
{{- if or (eq $root.Values.layout "whole") (eq $root.Values.backend "cuda") }}
  device: {{ $root.Values.backend }}
{{- end }}
{{- if and (ne $root.Values.layout "whole") (eq $root.Values.backend "cuda") }}
  expert_slots: {{ int $root.Values.engine.expertSlots }}
  most_ranks: {{ int $root.Values.engine.mostRanks }}
{{- end }}
{{- with $root.Values.attentionWorkers }}
attention_worker:
  max_sequences: {{ int .maxSequences }}
  prefix_cache: {{ .prefixCache }}
{{- end }}
{{ include "sextant.clusterConfig" $root }}
{{- end -}}

{{- define "sextant.clusterConfig" -}}
cluster:
  admin_host: 0.0.0.0
  drain_seconds: {{ int .Values.drainSeconds }}
  log_level: {{ .Values.logLevel }}
{{- end -}}
