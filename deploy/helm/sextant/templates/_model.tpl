{{- define "sextant.modelFolder" -}}
{{- with .Values.model -}}
{{- if eq .source "bundled" -}}
/usr/share/sextant/models/demo
{{- else -}}
/models/{{ .name }}{{ with .subPath }}/{{ trimAll "/" . }}{{ end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The volume as a list of none or one: (list $ COMPONENT). Of a download the nodes keep a claim
     (nodes.yaml), and the router, which reads no weights, a folder of its own. */}}
{{- define "sextant.modelVolume" -}}
{{- with (first .).Values.model -}}
{{- if eq .source "pvc" -}}
- name: model
  persistentVolumeClaim: {claimName: {{ .pvc.claimName }}, readOnly: true}
{{- else if eq .source "hostPath" -}}
- name: model
  hostPath: {path: {{ .hostPath.path }}, type: Directory}
{{- else if eq .source "image" -}}
- name: model
  image: {reference: {{ .image.reference }}, pullPolicy: {{ .image.pullPolicy }}}
{{- else if and (eq .source "download") (eq (last $) "router") -}}
- name: model
  emptyDir: {sizeLimit: 1Gi}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Of what the model needs, by its values; `bundled` is the demo model. In fp32 all is twice as large. */}}
{{- define "sextant.modelSize" -}}
{{- $size := pick .Values.model "routedExperts" "expertBytes" "attentionBytes" "cacheTokenBytes" -}}
{{- if eq .Values.model.source "bundled" -}}
{{- $size = dict "routedExperts" 64 "expertBytes" 147456 "attentionBytes" 8338368 "cacheTokenBytes" 4608 -}}
{{- end -}}
{{- $width := ternary 2 1 (eq .Values.engine.dtype "fp32") -}}
{"routedExperts": {{ int64 $size.routedExperts }},
 "expertBytes": {{ mul $width (int64 $size.expertBytes) }},
 "attentionBytes": {{ mul $width (int64 $size.attentionBytes) }},
 "cacheTokenBytes": {{ mul $width (int64 $size.cacheTokenBytes) }}}
{{- end -}}

{{/* The container that fetches the model before the others start: (list $ COMPONENT POD). */}}
{{- define "sextant.downloadContainer" -}}
{{- $root := index . 0 -}}
{{- $pod := index . 2 -}}
{{- with $root.Values.model -}}
- name: download
  image: {{ .download.image }}
  imagePullPolicy: {{ $root.Values.image.pullPolicy }}
  command: [python3, /opt/sextant/download.py]
  args:
    - --url={{ .download.url }}
    - --files=/opt/sextant/files.json
    - --to={{ include "sextant.modelFolder" $root }}
    {{- if eq (index $ 1) "router" }}
    - --without-weights
    {{- end }}
  {{- with .download.tokenSecret }}
  env:
    - name: SEXTANT_DOWNLOAD_TOKEN
      valueFrom: {secretKeyRef: {name: {{ . }}, key: token}}
  {{- end }}
  securityContext: {{- toYaml $pod.containerSecurityContext | nindent 4 }}
  resources:
    requests: {cpu: 100m, memory: 64Mi}
    limits: {memory: 256Mi}
  volumeMounts:
    - {name: model, mountPath: /models/{{ .name }}}
    - {name: download, mountPath: /opt/sextant, readOnly: true}
{{- end -}}
{{- end -}}
