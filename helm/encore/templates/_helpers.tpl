{{/* Prefix of every resource's name. */}}
{{- define "encore.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of one process. Call with (list . "gateway"). */}}
{{- define "encore.selector" -}}
{{- $top := index . 0 -}}
app.kubernetes.io/name: {{ $top.Chart.Name }}
app.kubernetes.io/instance: {{ $top.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of one process's resources. Call with (list . "gateway"). */}}
{{- define "encore.labels" -}}
{{- $top := index . 0 -}}
{{ include "encore.selector" . }}
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
app.kubernetes.io/part-of: encore
helm.sh/chart: {{ printf "%s-%s" $top.Chart.Name $top.Chart.Version }}
{{- end -}}

{{/* One of the three images. Call with (list . "services"). */}}
{{- define "encore.image" -}}
{{- $top := index . 0 -}}
image: {{ printf "%s-%s:%s" $top.Values.image.repository (index . 1) (default $top.Chart.AppVersion $top.Values.image.tag) | quote }}
imagePullPolicy: {{ $top.Values.image.pullPolicy }}
{{- end -}}

{{/* What every pod has: nobody is root, and nothing talks to the Kubernetes API. */}}
{{- define "encore.pod" -}}
automountServiceAccountToken: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Ray writes beside /tmp, so only the services have a read-only root. Call with true or false. */}}
{{- define "encore.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: {{ . }}
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* One variable from the Secret. Call with (list . "ENCORE_POSTGRES_DSN" "postgresDsn"). */}}
{{- define "encore.secret" -}}
{{- $top := index . 0 -}}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef: {name: {{ $top.Values.secrets.name }}, key: {{ get $top.Values.secrets (index . 2) }}}
{{- end -}}

{{/* Where the engine is, and what it asks for. */}}
{{- define "encore.engineDoor" -}}
- {name: ENCORE_ENGINE_URL, value: "{{ ternary "https" "http" (ne .Values.engine.tls.secret "") }}://{{ include "encore.fullname" . }}-engine-serve-svc:8000"}
{{ include "encore.secret" (list . "ENCORE_ENGINE_TOKEN" "engineToken") }}
{{- if .Values.engine.tls.authority }}
- {name: ENCORE_ENGINE_AUTHORITY, value: /engine/ca.crt}
{{- end }}
{{- end -}}

{{/* The authority of the engine's certificate: its mount, and its volume. */}}
{{- define "encore.engineMount" -}}
{{- if .Values.engine.tls.authority -}}
- {name: engine, mountPath: /engine, readOnly: true}
{{- end }}
{{- end -}}

{{- define "encore.engineVolume" -}}
{{- with .Values.engine.tls.authority -}}
- name: engine
  secret:
    secretName: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end -}}

{{/* Where Kafka is, and as whom. Call with (list . "gateway"). */}}
{{- define "encore.kafka" -}}
{{- $top := index . 0 -}}
- name: ENCORE_KAFKA_BOOTSTRAP
  {{- if $top.Values.secrets.kafkaLogins }}
  valueFrom:
    secretKeyRef: {name: {{ $top.Values.secrets.name }}, key: {{ index . 1 }}-kafka}
  {{- else }}
  value: {{ $top.Values.settings.kafkaBootstrap | quote }}
  {{- end }}
{{- end -}}

{{/* The authority of Kafka's certificates, where it is not one of the system's: its mount, and its volume. */}}
{{- define "encore.kafkaMount" -}}
{{- with .Values.secrets.kafkaAuthority -}}
- {name: kafka, mountPath: /kafka, readOnly: true}
{{- end }}
{{- end -}}

{{- define "encore.kafkaVolume" -}}
{{- with .Values.secrets.kafkaAuthority -}}
- name: kafka
  secret:
    secretName: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end -}}

{{/* Where MLflow is, and as whom. Call with (list . "factory"). */}}
{{- define "encore.mlflow" -}}
{{- $top := index . 0 -}}
- {name: ENCORE_MLFLOW_URL, value: {{ $top.Values.settings.mlflowUrl | quote }}}
{{- if $top.Values.secrets.mlflowLogins }}
- {name: ENCORE_MLFLOW_USERNAME, value: {{ index . 1 }}}
- name: ENCORE_MLFLOW_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $top.Values.secrets.name }}, key: {{ index . 1 }}-mlflow}
{{- end }}
{{- end -}}

{{/* The blob store's credentials, where there are any. */}}
{{- define "encore.storeEnvironment" -}}
{{- with .Values.secrets.storeEnvironment }}
envFrom:
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end -}}
