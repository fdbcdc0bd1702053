{{- define "encore.factory.environment" -}}
- {name: ENCORE_RAY_ADDRESS, value: auto}
{{ include "encore.mlflow" (list . "factory") }}
- {name: ENCORE_STORE_URL, value: {{ .Values.settings.storeUrl | quote }}}
- {name: ENCORE_BASE_FOLDER, value: /app/serving/base}
- {name: ENCORE_FACTORY_FOLDER, value: /factory}
- {name: ENCORE_LOG_LEVEL, value: {{ .Values.settings.logLevel | quote }}}
- {name: ENCORE_METRICS_HOST, value: "0.0.0.0"}
- {name: ENCORE_METRICS_PORT, value: "9100"}
{{ include "encore.secret" (list . "ENCORE_POSTGRES_DSN" "factoryDsn") }}
{{- end -}}
