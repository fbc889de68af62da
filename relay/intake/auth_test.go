package intake

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"invitation-relay/relay/event"
	"invitation-relay/relay/secret"
)

func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestBasicCredentialsAreExact(t *testing.T) {
	right := basicAuth(testUser, testPassword)
	for name, tc := range map[string]struct {
		want   int
		values []string
	}{
		"right":             {202, []string{right}},
		"scheme lower":      {202, []string{"basic " + right[6:]}},
		"scheme upper":      {202, []string{"BASIC " + right[6:]}},
		"several blanks":    {202, []string{"Basic   " + right[6:]}},
		"none":              {401, nil},
		"empty":             {401, []string{""}},
		"scheme only":       {401, []string{"Basic"}},
		"no token":          {401, []string{"Basic "}},
		"no blank":          {401, []string{"Basic" + right[6:]}},
		"wrong password":    {401, []string{basicAuth(testUser, "wrong")}},
		"longer password":   {401, []string{basicAuth(testUser, testPassword+"x")}},
		"NUL at the end":    {401, []string{basicAuth(testUser, testPassword+"\x00")}},
		"shorter password":  {401, []string{basicAuth(testUser, testPassword[:4])}},
		"empty password":    {401, []string{basicAuth(testUser, "")}},
		"wrong user":        {401, []string{basicAuth("root", testPassword)}},
		"other case":        {401, []string{basicAuth("PREVENTOR", testPassword)}},
		"both empty":        {401, []string{basicAuth("", "")}},
		"no colon":          {401, []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(testUser+testPassword))}},
		"not base64":        {401, []string{"Basic ???"}},
		"not encoded":       {401, []string{testUser + ":" + testPassword}},
		"bearer":            {401, []string{"Bearer " + testPassword}},
		"bearer, same text": {401, []string{"Bearer " + right[6:]}},
		"twice the right":   {401, []string{right, right}},
		"right and wrong":   {401, []string{right, basicAuth(testUser, "wrong")}},
		"long":              {401, []string{"Basic " + strings.Repeat("QUFB", 5000)}},
	} {
		t.Run(name, func(t *testing.T) {
			rec := newWorld(t).do(tc.want, request("/plain", testBody, header("Authorization", tc.values...)))
			if tc.want == 401 && rec.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
	newWorld(t).do(401, request("/plain", testBody, noAuth, header("Proxy-Authorization", right)))
}

// All that is set must hold; several entries of a kind are alternatives.
func TestAllKindsMustHoldAndEntriesAreAlternatives(t *testing.T) {
	src := &Source{Name: "s", Path: "/s", Auth: Auth{
		Basic:     []Basic{{"old", secret.New("pw-1")}, {"new", secret.New("pw-2")}},
		Headers:   []Header{{"x-token", secret.New("t-1")}, {"X-Token", secret.New("t-2")}, {"X-Other", secret.New("t-3")}},
		AllowFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
	}}
	for _, tc := range []struct {
		want       int
		user, pass string
		token      []string
		other      string
		from       string
	}{
		{202, "old", "pw-1", []string{"t-1"}, "", "192.0.2.9:1"},
		{202, "new", "pw-2", []string{"t-2"}, "", "[2001:db8::5]:1"},
		{202, "new", "pw-2", []string{"wrong"}, "t-3", "[::ffff:192.0.2.9]:1"},
		{401, "old", "pw-2", []string{"t-1"}, "", "192.0.2.9:1"},        // the password of the other
		{401, "old", "pw-1", nil, "", "192.0.2.9:1"},                    // no token
		{401, "old", "pw-1", []string{"t-3"}, "", "192.0.2.9:1"},        // another header's value
		{401, "old", "pw-1", []string{"T-1"}, "", "192.0.2.9:1"},        // values have case
		{401, "old", "pw-1", []string{"t-1", "t-1"}, "", "192.0.2.9:1"}, // twice
		{401, "", "", []string{"t-1"}, "", "192.0.2.9:1"},
		{403, "old", "pw-1", []string{"t-1"}, "", "198.51.100.1:1"},
		{403, "", "", nil, "", "198.51.100.1:1"}, // an address that may not send learns nothing about credentials
	} {
		r := request("/s", `{}`, noAuth, from(tc.from), header("X-Token", tc.token...))
		if tc.user != "" {
			r.SetBasicAuth(tc.user, tc.pass)
		}
		if tc.other != "" {
			r.Header.Set("X-Other", tc.other)
		}
		newWorld(t, src).do(tc.want, r)
	}
}

// Also where nobody asks for them, two Authorization headers are refused.
func TestTwoAuthorizationsAreRefusedEverywhere(t *testing.T) {
	src := &Source{Name: "s", Path: "/s", Auth: Auth{Headers: []Header{{"X-Token", secret.New("t")}}}}
	for n, want := range []int{202, 202, 401} {
		auth := []string{"Bearer a", "Bearer b"}[:n]
		newWorld(t, src).do(want, request("/s", "{}", header("X-Token", "t"), header("Authorization", auth...)))
	}
}

func TestCredentialsOfAnotherSourceAreWrong(t *testing.T) {
	w := newWorld(t,
		&Source{Name: "a", Path: "/a", Auth: Auth{Basic: []Basic{{"u", secret.New("pw-a")}}}},
		&Source{Name: "b", Path: "/b", Auth: Auth{Basic: []Basic{{"u", secret.New("pw-b")}}}})
	w.do(202, request("/a", `{}`, header("Authorization", basicAuth("u", "pw-a"))))
	w.do(401, request("/a", `{}`, header("Authorization", basicAuth("u", "pw-b"))))
	w.do(401, request("/b", `{}`, header("Authorization", basicAuth("u", "pw-a"))))
}

// Standard Webhooks: over the body as received, by any of the secrets, not old,
// by our clock and not the library's.
func TestSignature(t *testing.T) {
	const one, two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	src := &Source{Name: "s", Path: "/s", Auth: Auth{Signature: []secret.String{secret.New(one), secret.New(two)}}}
	sign := func(secret, body string, at time.Time) func(*http.Request) {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := wh.Sign("msg_1", at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return func(r *http.Request) {
			r.Header.Set("Webhook-Id", "msg_1")
			r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
			r.Header.Set("Webhook-Signature", "v1,bm9uZQ== "+sig)
		}
	}
	w := newWorld(t, src)
	for _, tc := range []struct {
		name   string
		want   int
		change func(*http.Request)
	}{
		{"first secret", 202, sign(one, `{"n":1}`, w.now)},
		{"second secret", 200, sign(two, `{"n":1}`, w.now)},
		{"a little old", 200, sign(two, `{"n":1}`, w.now.Add(-signatureTolerance))},
		{"old", 401, sign(one, `{"n":1}`, w.now.Add(-signatureTolerance-time.Second))},
		{"from the future", 401, sign(one, `{"n":1}`, w.now.Add(signatureTolerance+time.Second))},
		{"absurd time", 401, sign(one, `{"n":1}`, time.Unix(-1<<62, 0))},
		{"other body", 401, sign(one, `{"n":2}`, w.now)},
		{"other secret", 401, sign("whsec_AAAA", `{"n":1}`, w.now)},
		{"none", 401, func(*http.Request) {}},
		{"two ids", 401, func(r *http.Request) { sign(one, `{"n":1}`, w.now)(r); r.Header.Add("Webhook-Id", "msg_2") }},
		{"no number", 401, func(r *http.Request) { sign(one, `{"n":1}`, w.now)(r); r.Header.Set("Webhook-Timestamp", "soon") }},
	} {
		w.do(tc.want, request("/s", `{"n":1}`, noAuth, tc.change))
	}
}

// Nothing of a stranger's body is looked at, whatever is in it.
func TestStrangersAreNotParsed(t *testing.T) {
	w := newWorld(t)
	for _, r := range []*http.Request{
		request("/plain", "{", noAuth), request("/plain", "", noAuth, header("Content-Type", "text/html")),
		request("/plain", testBody, noAuth, header("Content-Encoding", "gzip")),
		sealed(t, otherKey, testBody, noAuth), sealed(t, testKey, testBody, noAuth),
	} {
		body := &countingBody{}
		r.Body = body
		w.do(401, r)
		if body.reads != 0 {
			t.Error("the body of a stranger was read")
		}
	}
	if len(w.events)+len(w.refused) != 0 {
		t.Error("something of a stranger was kept")
	}
}

type countingBody struct{ reads int }

func (b *countingBody) Read([]byte) (int, error) { b.reads++; return 0, http.ErrBodyReadAfterClose }
func (b *countingBody) Close() error             { return nil }

func TestConfigMistakesAreRefusedWithoutTheSecret(t *testing.T) {
	const canary = "canary-4711"
	good := func() *Source { return &Source{Name: "s", Path: "/s"} }
	for name, spoil := range map[string]func(*Config, *Source){
		"no accept":       func(c *Config, _ *Source) { c.Accept = nil },
		"no name":         func(_ *Config, s *Source) { s.Name = "" },
		"relative path":   func(_ *Config, s *Source) { s.Path = "s" },
		"same path":       func(c *Config, _ *Source) { c.Sources = append(c.Sources, &Source{Name: "t", Path: "/s"}) },
		"same name":       func(c *Config, _ *Source) { c.Sources = append(c.Sources, &Source{Name: "s", Path: "/t"}) },
		"short key":       func(_ *Config, s *Source) { s.Keys = [][]byte{[]byte(testKey), []byte(canary)} },
		"colon in user":   func(_ *Config, s *Source) { s.Auth.Basic = []Basic{{"a:b", secret.New(canary)}} },
		"header no value": func(_ *Config, s *Source) { s.Auth.Headers = []Header{{"X-A", secret.String{}}} },
		"header no name":  func(_ *Config, s *Source) { s.Auth.Headers = []Header{{"", secret.New(canary)}} },
		"signature":       func(_ *Config, s *Source) { s.Auth.Signature = []secret.String{secret.New("whsec_" + canary)} },
		"empty signature": func(_ *Config, s *Source) { s.Auth.Signature = []secret.String{secret.New("whsec_")} },
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			cfg := Config{Sources: []*Source{s}, Accept: newWorld(t).accept}
			spoil(&cfg, s)
			if _, err := New(cfg); err == nil || strings.Contains(err.Error(), canary) {
				t.Errorf("New: %v", err)
			}
		})
	}
	if _, err := New(Config{Sources: []*Source{good()}, Accept: newWorld(t).accept}); err != nil {
		t.Errorf("New without anything optional: %v", err)
	}
}

// A source that asks for nothing knows nobody: it is open, and keeps nothing of
// what it refuses, which anybody could fill.
func TestOpenSourceKeepsNothingRefused(t *testing.T) {
	w := newWorld(t, &Source{Name: "open", Path: "/open", KeepRefused: true})
	w.do(202, request("/open", `{}`, noAuth))
	w.do(400, request("/open", `{`, noAuth))
	if len(w.refused) != 0 {
		t.Error("kept what a stranger sent")
	}
	if ev := w.last(); ev.Kind != event.Received || ev.Source != "open" {
		t.Errorf("event is %v from %q", ev.Kind, ev.Source)
	}
}
