{{/* One arrow as a rule, seen from the pod at its one end. Call with (list . arrow "from"), naming the other end. */}}
{{- define "encore.network.rule" -}}
{{- $top := index . 0 -}}
{{- $arrow := index . 1 -}}
{{- $end := get $arrow (index . 2) -}}
{{- $port := get $top.Values.network.ports $arrow.to | default $arrow.port -}}
- ports:
    - protocol: {{ $arrow.protocol }}
      {{- if ne (toString $port) "any" }}
      port: {{ int $port }}
      {{- end }}
  {{- if hasKey $top.Values.network $end }}
  {{- with get $top.Values.network $end }}
  {{ index $ 2 }}: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- else }}
  {{ index . 2 }}:
    - podSelector:
        matchLabels: {{- include "encore.selector" (list $top $end) | nindent 10 }}
  {{- end }}
{{- end -}}
