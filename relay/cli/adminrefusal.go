package cli

import (
	"encoding/json"
	"net/http"
	"strings"
)

// refusal is an answer of the relay that is not 200, as a sentence with what helps.
type refusal struct {
	*failure
	status int
}

// Unwrap is the failure, with its hint and its exit code.
func (r *refusal) Unwrap() error { return r.failure }

// refuse makes an error of an answer that is not 200.
func (a *adminAPI) refuse(resp *http.Response, body []byte) error {
	var p apiProblem
	if resp.Header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(body, &p) != nil || strings.Contains(p.Detail, "webhook") && p.Status == http.StatusNotFound {
		return a.stranger() // as of the listener for webhooks
	}
	f := &failure{code: exitFailed, msg: printable(p.Detail), hint: a.refusalHint(resp.StatusCode, p.Detail)}
	switch who := printable(a.username); {
	case resp.StatusCode == http.StatusUnauthorized && who == "":
		f.msg = "the relay wants to know who asks"
	case resp.StatusCode == http.StatusUnauthorized:
		f.msg = "the relay knows no " + who + " with this password"
	case resp.StatusCode == http.StatusForbidden && strings.Contains(p.Detail, "role"):
		f.msg += ", and " + who + " is a viewer"
	case f.msg == "":
		f.msg = strings.ToLower(http.StatusText(resp.StatusCode))
	}
	for _, line := range p.Problems {
		f.msg += "\n  " + printable(line)
	}
	return &refusal{f, resp.StatusCode}
}

// refusalHint is what to do after such an answer, "" when the answer says it.
func (a *adminAPI) refusalHint(status int, detail string) string {
	switch {
	case status == http.StatusUnauthorized:
		return "--user NAME of admin.users in the relay's config; --password-file FILE or the variable " + passwordVariable + " holds the password"
	case status == http.StatusForbidden && strings.Contains(detail, "role"):
		return "--user NAME of somebody with role: operator in admin.users"
	case status == http.StatusForbidden:
		return "ask it by the address of its admin.listen: --admin http://127.0.0.1:PORT"
	case status == http.StatusNotFound && strings.Contains(detail, "path"):
		return "the relay at " + a.url + " is perhaps of an older release than this command"
	case status == http.StatusConflict:
		return "an attempt ends within its target's timeout: try again in a moment"
	case status == http.StatusTooManyRequests:
		return "too many wrong passwords from here: wait a minute"
	case status == http.StatusServiceUnavailable:
		return a.url + "/readyz says what is wrong with it"
	default:
		return ""
	}
}
