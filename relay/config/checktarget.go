package config

import (
	"strconv"
	"strings"
	"time"

	"invitation-relay/relay/target"
	"invitation-relay/rules"
)

// kind is one of a target's kinds; each checks its own settings.
type kind interface {
	Check(env *rules.Env, r target.Report)
}

func (k *checker) targets() {
	k.names("targets", k.c.targetOrder)
	for _, t := range k.c.TargetsInOrder() {
		at := dot("targets", t.Name)
		if !k.oneKind(at, t) {
			continue
		}
		setTargetDefaults(t, k.has(at+".rate"), k.has(at+".concurrency"))
		k.between(at+".concurrency", t.Concurrency, 1, 1024)
		k.retry(at+".retry", &t.Retry)
		k.orderedBy(at+".ordered_by", t.OrderedBy)
		k.lasts(at+".digest.every", t.Digest.Every, 0, day)
		k.between(at+".digest.max", t.Digest.Max, 1, 1000)
		k.shape(at, t)
		k.digest(at+".digest", t)
		k.settings(at+"."+t.Kind(), t)
	}
}

// digest says where a digest cannot be, or does not do what one might expect.
func (k *checker) digest(at string, t *Target) {
	switch kd := t.Kind(); {
	case t.Digest.Every <= 0:
	case kd != "slack" && kd != "email":
		k.wrong(at+".every", "a target of kind "+kd+" takes one event at a time", "leave digest out; slack and email can put several events into one message")
	case kd == "slack" && t.Digest.Max > target.MaxSlackDigest:
		k.wrong(at+".max", "a Slack message has room for "+strconv.Itoa(target.MaxSlackDigest)+" events", "what is more comes in the next message, at once")
	case t.OrderedBy != "":
		k.doubt(at+".every", "with ordered_by a digest holds one event of each key: the next waits for the message to be delivered",
			"leave ordered_by out: the events of a digest are in their order anyway")
	}
}

// orderedBy compiles what deliveries are ordered by.
func (k *checker) orderedBy(at, expression string) {
	if expression == "" {
		return
	}
	if _, p := rules.CompileValue(k.c.Env, expression); p != nil {
		k.compiled(at, at, *p)
	}
}

// oneKind makes sure that there is one kind, and no second.
func (k *checker) oneKind(at string, t *Target) bool {
	var kinds []string
	for _, kd := range []struct {
		name string
		set  bool
	}{{"http", t.HTTP != nil}, {"slack", t.Slack != nil}, {"email", t.Email != nil}, {"log", t.Log != nil}} {
		if kd.set {
			kinds = append(kinds, kd.name)
		}
	}
	switch {
	case len(kinds) == 1:
		return true
	case len(kinds) > 1:
		k.atKey(at, Problem{Message: "a target has one kind, this one has " + strings.Join(kinds, " and "), Hint: "make a target of each; a rule's to can name both"})
	case !k.brokenBelow(at+".http") && !k.brokenBelow(at+".slack") && !k.brokenBelow(at+".email") && !k.brokenBelow(at+".log"):
		k.atKey(at, Problem{Message: "no kind of target", Hint: "one of http:, slack:, email: and log: says where events go"})
	}
	return false
}

// settings has a kind check itself.
func (k *checker) settings(at string, t *Target) {
	var of kind
	switch t.Kind() {
	case "http":
		of = t.HTTP
	case "slack":
		of = t.Slack
	case "email":
		of = t.Email
	default:
		of = t.Log
	}
	place := func(path string) string {
		if strings.HasPrefix(path, "[") {
			return at + path
		}
		return strings.TrimSuffix(dot(at, path), ".")
	}
	mistakes := 0
	of.Check(k.c.Env, func(path string, line, col int, message, hint string) {
		mistakes++
		whole := place(path)
		who := whole
		if !k.has(whole) && strings.HasPrefix(message, path+" ") {
			who = at // "host is missing" says already which setting it is about
		}
		k.foreign(whole, who, line, col, Problem{Message: message, Hint: hint})
	})
	if t.HTTP != nil {
		k.readableFile(at+".tls.ca_file", t.HTTP.TLS.CAFile)
		k.readableFile(at+".tls.cert_file", t.HTTP.TLS.CertFile)
		k.readableFile(at+".tls.key_file", t.HTTP.TLS.KeyFile)
	}
	if mistakes == 0 {
		k.emptied(dot("targets", t.Name), t, of, place)
		k.forbidden(at, t)
	}
}

// forbidden warns of an address to which nothing is ever sent: the target would
// be on hold from its first event on.
func (k *checker) forbidden(at string, t *Target) {
	var urls []string
	if t.HTTP != nil {
		urls = []string{".url", t.HTTP.URL.Reveal(), ".proxy", t.HTTP.Proxy.Reveal()}
		if o := t.HTTP.Auth.OAuth2; o != nil {
			urls = append(urls, ".auth.oauth2.token_url", o.TokenURL.Reveal())
		}
	}
	if t.Slack != nil {
		urls = []string{".webhook_url", t.Slack.WebhookURL.Reveal(), ".api_url", t.Slack.APIURL}
	}
	for i := 0; i < len(urls); i += 2 {
		if target.Forbidden(urls[i+1]) {
			k.doubt(at+urls[i], "the address is link-local, a metadata service, unspecified or multicast: nothing is sent there",
				"private addresses, and this machine's own, may be used")
		}
	}
}

func (k *checker) retry(at string, r *Retry) {
	k.lasts(at+".initial", r.Initial, time.Millisecond, 365*day)
	k.lasts(at+".max", r.Max, time.Millisecond, 365*day)
	k.lasts(at+".max_age", r.MaxAge, 0, 365*day)
	k.between(at+".quick", r.Quick, 0, 10)
	if r.Initial > r.Max {
		path := at + ".max"
		if !k.has(path) {
			path = at + ".initial"
		}
		k.wrong(path, "initial must not be longer than max", "max is 1h when it is not set")
	}
}

// unused warns of targets that nothing refers to.
func (k *checker) unused() {
	if len(k.c.Rules) == 0 || k.brokenBelow("rules") {
		return
	}
	used := make(map[string]bool)
	for _, r := range k.c.Rules {
		for _, name := range r.To {
			used[name] = true
		}
	}
	for _, name := range k.c.Alarms.To {
		used[name] = true
	}
	for _, name := range k.c.targetOrder {
		if at := dot("targets", name); !used[name] {
			k.atKey(at, Problem{Message: "no rule sends to it", Hint: "name it in the to: of a rule, or leave it out", Warning: true})
		}
	}
}
