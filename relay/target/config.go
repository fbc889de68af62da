package target

import (
	"log/slog"
	"net/http"
	"time"

	"invitation-relay/relay/secret"
	"invitation-relay/rules"
)

// Deps is what every kind of target is built with.
type Deps struct {
	Env       *rules.Env        // what texts may name
	Log       *slog.Logger      // for the log target, and nothing else: dispatch logs attempts
	Quick     int               // extra tries inside one attempt, for HTTP and Slack
	Transport http.RoundTripper // nil: an own one with our time-outs and dial checks; tests inject theirs
	Version   string            // for User-Agent
	Threads   Threads           // nil: threads are not remembered
}

// HTTPConfig is the http key of a target: any endpoint that takes a request.
type HTTPConfig struct {
	// URL is where to send; text with {{ }} that is escaped for a URL. A secret: it often holds a token.
	URL secret.String `yaml:"url"`
	// Method is POST, PUT or PATCH. Default POST.
	Method string `yaml:"method"`
	// Headers are further request headers; the values are texts with {{ }}.
	Headers map[string]secret.String `yaml:"headers"`
	// JSON is the body as YAML whose string leaves are texts with {{ }}; a leaf that is one {{ }} keeps its type. Default: the body received, byte for byte.
	JSON any `yaml:"json"`
	// Timeout bounds one try, from dialling to the last byte of the answer. Default 15s.
	Timeout time.Duration `yaml:"timeout"`
	// Success lists the status codes that count as delivered: "2xx", "200", "200,202". Default 2xx.
	Success string `yaml:"success"`
	// Auth identifies the relay to the endpoint; at most one of its keys.
	Auth HTTPAuth `yaml:"auth"`
	// Sign are Standard Webhooks secrets (whsec_…): one signature each, for rotation.
	Sign []secret.String `yaml:"sign"`
	// TLS replaces the system's roots, and adds a client certificate.
	TLS ClientTLS `yaml:"tls"`
	// Proxy is the URL (http or https, with a user if it wants one) of a proxy to go through; variables like HTTP_PROXY are not looked at. A secret. Default none.
	Proxy secret.String `yaml:"proxy"`
}

// HTTPAuth is how the relay identifies itself; at most one of its keys.
type HTTPAuth struct {
	// Basic is a user name and a password.
	Basic *BasicAuth `yaml:"basic"`
	// Bearer is a fixed token.
	Bearer secret.String `yaml:"bearer"`
	// OAuth2 fetches tokens by client credentials.
	OAuth2 *OAuth2 `yaml:"oauth2"`
}

// BasicAuth is a user name and a password (RFC 7617).
type BasicAuth struct {
	// Username must not contain a colon.
	Username string `yaml:"username"`
	// Password is sent with every request.
	Password secret.String `yaml:"password"`
}

// OAuth2 is the client credentials grant (RFC 6749, section 4.4).
type OAuth2 struct {
	// TokenURL is where tokens are fetched. A secret.
	TokenURL secret.String `yaml:"token_url"`
	// ClientID is who asks.
	ClientID string `yaml:"client_id"`
	// ClientSecret proves it.
	ClientSecret secret.String `yaml:"client_secret"`
	// Scopes are what is asked for. Default none.
	Scopes []string `yaml:"scopes"`
}

// ClientTLS names PEM files; empty means the system's roots and no client certificate.
type ClientTLS struct {
	// CAFile has the authorities to believe, instead of the system's.
	CAFile string `yaml:"ca_file"`
	// CertFile is the relay's own certificate, with its chain.
	CertFile string `yaml:"cert_file"`
	// KeyFile is that certificate's private key.
	KeyFile string `yaml:"key_file"`
}

// SlackConfig is the slack key of a target: an incoming webhook, or a token and a channel.
type SlackConfig struct {
	// WebhookURL is the incoming webhook's URL. A secret.
	WebhookURL secret.String `yaml:"webhook_url"`
	// Text is the message, with {{ }}. Default: a good message of blocks.
	Text string `yaml:"text"`
	// Blocks are Slack blocks whose string leaves are texts with {{ }}; Text is then the fallback in notifications.
	Blocks []any `yaml:"blocks"`
	// Token is a bot's token (xoxb-…) with the scope chat:write, instead of WebhookURL. A secret.
	Token secret.String `yaml:"token"`
	// Channel is the id of the channel to post into (C0123456789), with Token.
	Channel string `yaml:"channel"`
	// APIURL is the Web API's base, with Token. Default https://slack.com/api.
	APIURL string `yaml:"api_url"`
	// ThreadBy is an expression, with Token: messages with the same value share a thread, under the first of them. With a concurrency above 1 two that come first together may begin a thread each; later ones go to one of them. Default none.
	ThreadBy string `yaml:"thread_by"`
	// Timeout bounds one try. Default 15s.
	Timeout time.Duration `yaml:"timeout"`
}

// EmailConfig is the email key of a target: one delivery per recipient.
type EmailConfig struct {
	// Host is the mail server to hand mail to.
	Host string `yaml:"host"`
	// Port is 587 by default; 465 with tls: implicit.
	Port int `yaml:"port"`
	// TLS is mandatory (STARTTLS or nothing; the default), implicit, opportunistic or none.
	TLS string `yaml:"tls"`
	// Username logs in, with Password; empty: no login.
	Username string `yaml:"username"`
	// Password belongs to Username; with auth: xoauth2 it is an access token.
	Password secret.String `yaml:"password"`
	// Auth is how to log in: plain, login, cram-md5 or xoauth2. Default auto, the best of what the server offers.
	Auth string `yaml:"auth"`
	// From is the sender's address, "Name <a@b>" or "a@b".
	From string `yaml:"from"`
	// To are the recipients' addresses.
	To []string `yaml:"to"`
	// Subject is the subject, with {{ }}. Default: a good one.
	Subject string `yaml:"subject"`
	// Text is the message as plain text, with {{ }}. Default: a good message.
	Text string `yaml:"text"`
	// HTML is the message as HTML, with {{ }}; it is sent beside Text. Default: with a Text of your own none, else a good message.
	HTML string `yaml:"html"`
	// Timeout bounds one attempt. Default 30s.
	Timeout time.Duration `yaml:"timeout"`
}

// LogConfig is the log key of a target: one line an event in the relay's own log, without personal data. For trying things out.
type LogConfig struct {
	// Level is debug, info, warn or error. Default info.
	Level string `yaml:"level"`
}
