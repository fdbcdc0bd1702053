{{- define "encore.engine.environment" -}}
- {name: ENCORE_STORE_URL, value: {{ .Values.settings.storeUrl | quote }}}
{{ include "encore.secret" (list . "ENCORE_ENGINE_TOKEN" "engineToken") }}
- {name: ENCORE_BASE_FOLDER, value: /app/serving/base}
- {name: ENCORE_ENGINE_REPLICAS, value: {{ .Values.engine.replicas | quote }}}
{{- if .Values.engine.maxReplicas }}
- {name: ENCORE_ENGINE_MAX_REPLICAS, value: {{ .Values.engine.maxReplicas | quote }}}
- {name: ENCORE_ENGINE_TARGET_REQUESTS, value: {{ .Values.engine.targetRequests | quote }}}
{{- end }}
- {name: ENCORE_ENGINE_DEVICE, value: {{ .Values.engine.device }}}
- {name: ENCORE_ENGINE_THREADS, value: {{ .Values.engine.threads | quote }}}
- {name: ENCORE_ENGINE_ROWS, value: {{ .Values.engine.rows | quote }}}
- {name: ENCORE_ENGINE_QUEUE, value: {{ .Values.engine.queue | quote }}}
- {name: ENCORE_ENGINE_SLOTS, value: {{ .Values.engine.slots | quote }}}
- {name: ENCORE_ENGINE_DEADLINE_S, value: {{ .Values.engine.deadlineSeconds | quote }}}
- {name: ENCORE_ENGINE_DRAIN_S, value: {{ .Values.engine.drainSeconds | quote }}}
- {name: ENCORE_LOG_LEVEL, value: {{ .Values.settings.logLevel | quote }}}
{{- end -}}

{{/* The engine's certificate and key: their mount, and their volume. */}}
{{- define "encore.engine.tlsMount" -}}
{{- if .Values.engine.tls.secret -}}
- {name: tls, mountPath: /tls, readOnly: true}
{{- end }}
{{- end -}}

{{- define "encore.engine.tlsVolume" -}}
{{- with .Values.engine.tls.secret -}}
- name: tls
  secret: {secretName: {{ . }}}
{{- end }}
{{- end -}}

{{/* The Ray of the images (infra/locks/). */}}
{{- define "encore.rayVersion" -}}
"2.60.0"
{{- end -}}
