{{/* Settings that the processes of the services image share. */}}
{{- define "encore.metricsEnvironment" -}}
- {name: ENCORE_LOG_LEVEL, value: {{ .Values.settings.logLevel | quote }}}
- {name: ENCORE_METRICS_HOST, value: "0.0.0.0"}
- {name: ENCORE_METRICS_PORT, value: "9100"}
{{- end -}}

{{/* A process whose only door is its metrics answers there as long as its loop lives. */}}
{{- define "encore.metricsProbes" -}}
ports:
  - {name: metrics, containerPort: 9100}
startupProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /metrics, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{/* The root is read-only; this is where a service may write. */}}
{{- define "encore.scratch" -}}
volumes:
  - name: scratch
    emptyDir: {sizeLimit: 1Gi}
{{- end -}}

{{/* The same for Ray, whose sessions, spilled objects and logs are larger. */}}
{{- define "encore.rayScratch" -}}
- name: scratch
  emptyDir: {}
- name: memory
  emptyDir: {medium: Memory, sizeLimit: 1Gi}
{{- end -}}
