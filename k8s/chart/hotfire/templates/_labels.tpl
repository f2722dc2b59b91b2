{{- define "hotfire.labels" -}}
app.kubernetes.io/name: hotfire
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: hotfire
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "hotfire.selector" -}}
app.kubernetes.io/name: hotfire
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hotfire.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "hotfire.database" -}}
{{ .Values.database.external | default (printf "postgresql://hotfire@%s-postgresql:5432/hotfire" .Release.Name) }}
{{- end }}

{{- define "hotfire.attempts" -}}
{{ .Values.attempts.namespace | default .Release.Namespace }}
{{- end }}

{{- define "hotfire.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "hotfire.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "hotfire.container" -}}
image: {{ include "hotfire.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "hotfire.containerSecurity" . | nindent 2 }}
env:
  - name: HOTFIRE_HOME
    value: /var/lib/hotfire
  - name: HOTFIRE_CONFIG
    value: /etc/hotfire/service.yaml
  - name: HOTFIRE_DATABASE
    value: {{ include "hotfire.database" . }}
  - name: PGPASSWORD
    valueFrom:
      secretKeyRef:
        name: {{ .Values.database.passwordSecret.name }}
        key: {{ .Values.database.passwordSecret.key }}
volumeMounts:
  - name: home
    mountPath: /var/lib/hotfire
  - name: configuration
    mountPath: /etc/hotfire
    readOnly: true
  - name: scratch
    mountPath: /tmp
{{- end }}

{{- define "hotfire.volumes" -}}
- name: home
  persistentVolumeClaim:
    claimName: {{ .Values.home.existingClaim | default (printf "%s-home" .Release.Name) }}
- name: configuration
  configMap:
    name: {{ .Release.Name }}-configuration
- name: scratch
  emptyDir: {}
{{- end }}
