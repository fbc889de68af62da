package target

import "html/template"

// parseDefaultHTML is the default mail, and the digest, for everybody who does
// not read text. Styles stand in the elements, because mail programs drop style
// sheets, and there is no background and no colour of text but a grey that reads
// on white and on black: so programs that turn mails dark have nothing to turn
// wrong. The colour that tells good from bad is a bar at the side. Nothing is
// fetched, so that reading it tells nobody. dir=auto and bdi keep a name that is
// written from right to left from turning its surroundings around.
func parseDefaultHTML() *template.Template {
	return template.Must(template.New("").Parse(`
{{- define "head"}}<!DOCTYPE html>
<html lang="en" style="color-scheme:light dark">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{.Title}}</title>
</head>
<body style="margin:0;padding:16px;font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:1.4">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{{.Preheader}}</div>
{{end}}
{{- define "foot"}}<p style="margin:16px 0 0;color:#747c86;font-size:12px">{{.}}</p>
</body>
</html>
{{end}}
{{- define "mail"}}{{template "head" .}}<h1 style="margin:0 0 16px;padding:2px 0 2px 12px;border-left:4px solid {{.Accent}};font-size:18px;line-height:1.3">{{.Lead}}<bdi>{{.Who}}</bdi>{{.Tail}}</h1>
<table role="presentation" cellspacing="0" cellpadding="0" style="border-collapse:collapse">
{{- range .Facts}}
<tr><td style="padding:3px 16px 3px 0;color:#747c86;vertical-align:top;white-space:nowrap">{{.Label}}</td><td dir="auto" style="padding:3px 0;text-align:left;word-break:break-word">{{.Value}}</td></tr>
{{- end}}
{{- range .IDs}}
<tr><td style="padding:3px 16px 3px 0;color:#747c86;vertical-align:top;white-space:nowrap">{{.Label}}</td><td style="padding:3px 0;font-family:Consolas,Menlo,monospace;font-size:13px;word-break:break-all">{{.Value}}</td></tr>
{{- end}}
</table>
{{range .Commands}}<p style="margin:16px 0 4px;color:#747c86">{{.Label}}</p>
<pre style="margin:0;padding:8px 12px;border:1px solid #8c959f;border-radius:6px;font-family:Consolas,Menlo,monospace;font-size:13px;white-space:pre-wrap;word-break:break-word">{{.Value}}</pre>
{{end}}{{template "foot" .Footer}}{{end}}
{{- define "digest"}}{{template "head" .}}<h1 style="margin:0 0 16px;font-size:18px;line-height:1.3">{{.Title}}</h1>
<table role="presentation" cellspacing="0" cellpadding="0" style="border-collapse:collapse">
{{- range .Lines}}
<tr><td style="padding:6px 12px 6px 8px;border-left:4px solid {{.Accent}};color:#747c86;font-size:13px;vertical-align:top;white-space:nowrap">{{.Time}}</td><td style="padding:6px 0;word-break:break-word">{{.Lead}}<bdi>{{.Who}}</bdi>{{.Tail}}<br><span style="color:#747c86;font-family:Consolas,Menlo,monospace;font-size:12px;word-break:break-all">{{.Find}}</span></td></tr>
{{- end}}
</table>
{{template "foot" .Footer}}{{end}}`))
}
