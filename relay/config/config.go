// Package config reads the one YAML file of a relay and checks all of it: that
// every key is known, every value fits, every name refers to something, every
// expression compiles. It finds all mistakes in one go, each with file, line and
// column, and quotes no secret, and nothing that came in through a reference, in
// any of them.
//
//	bytes ─> yaml.Node ─> decode (strict, by reflection) ─> check ─> *Config
//	                         │ positions of every value ──────┘
//
// The parts of the relay do not import it: the assembler hands each of them what
// it needs. What can only be known outside the file (does the host answer, does
// the login work) is left to the doctor command.
package config

import (
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"invitation-relay/relay/secret"
	"invitation-relay/rules"
)

// Config is a config file, decoded and checked. Nobody changes it after Load.
// Files named in it are absolute or relative to the config file; Load makes
// them independent of the working directory.
type Config struct {
	// Server is the webhook listener.
	Server Server `yaml:"server"`
	// Admin is the listener for health, metrics and the API.
	Admin Admin `yaml:"admin"`
	// Store is where events and deliveries are kept.
	Store Store `yaml:"store"`
	// Sources are the senders, by name.
	Sources map[string]*Source `yaml:"sources"`
	// Rules decide, in this order, which events go to which targets. An event goes to the union of the targets of all rules that match.
	Rules []Rule `yaml:"rules"`
	// MustRoute are expressions: an event that one of them is true for must reach a target.
	MustRoute []string `yaml:"must_route"`
	// Targets are where events go, by name.
	Targets map[string]*Target `yaml:"targets"`
	// Alarms say who hears of trouble.
	Alarms Alarms `yaml:"alarms"`
	// Privacy says which fields tell who a person is.
	Privacy Privacy `yaml:"privacy"`
	// Log is the relay's own log.
	Log Log `yaml:"log"`

	// Path is the file this was read from, as it was named to Load.
	Path string `yaml:"-"`
	// Env is what expressions and texts may name: the union of all sources' fields.
	Env *rules.Env `yaml:"-"`
	// Set is the compiled Rules.
	Set *rules.Set `yaml:"-"`
	// Must is the compiled MustRoute, which the rules keep as far as can be proven.
	Must *rules.Must `yaml:"-"`

	sourceOrder, targetOrder []string
}

// SourcesInOrder are the sources as the file has them, from top to bottom.
func (c *Config) SourcesInOrder() []*Source { return inOrder(c.Sources, c.sourceOrder) }

// TargetsInOrder are the targets as the file has them, from top to bottom.
func (c *Config) TargetsInOrder() []*Target { return inOrder(c.Targets, c.targetOrder) }

func inOrder[T any](m map[string]*T, names []string) []*T {
	out := make([]*T, 0, len(names))
	for _, name := range names {
		out = append(out, m[name])
	}
	return out
}

// Server is the webhook listener: it takes webhooks and nothing else.
type Server struct {
	// Listen is host:port; without a host it listens on every address. Default ":8080".
	Listen string `yaml:"listen"`
	// TLS makes it an HTTPS listener.
	TLS ServerTLS `yaml:"tls"`
	// TrustedProxies are the networks (CIDR) whose X-Forwarded-For is believed. Default none.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	// ShutdownTimeout bounds the end after SIGTERM: attempts in flight may finish until then. Default 20s.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
}

// ServerTLS names PEM files, which are read again when they change. All empty: plain HTTP.
type ServerTLS struct {
	// CertFile is the certificate, with its chain.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the certificate's private key.
	KeyFile string `yaml:"key_file"`
	// ClientCAFile makes clients show a certificate that one of these authorities signed.
	ClientCAFile string `yaml:"client_ca_file"`
}

// Admin is the listener for health, metrics and the API.
type Admin struct {
	// Listen is host:port. Default "127.0.0.1:9090".
	Listen string `yaml:"listen"`
	// Users may use the API, by HTTP Basic. Required unless Listen is a loopback address; without users the API is open there.
	Users []User `yaml:"users"`
}

// The roles of a User.
const (
	RoleViewer   = "viewer"   // sees everything but bodies
	RoleOperator = "operator" // retries, discards, replays, holds, releases and sees bodies
)

// User may use the admin API.
type User struct {
	// Name is unique among the users.
	Name string `yaml:"name"`
	// PasswordHash is the bcrypt hash of the password ("htpasswd -nB name" makes one).
	PasswordHash secret.String `yaml:"password_hash"`
	// Role is viewer or operator. Default viewer.
	Role string `yaml:"role"`
}

// Store is where events and deliveries are kept.
type Store struct {
	// URL is "sqlite:FILE", the file relative to the config file, or "postgres://user@host/db". A secret: it may hold a password. Default "sqlite:relay.db".
	URL secret.String `yaml:"url"`
	// Retention is how long the bodies of finished events are kept; dead letters and rows without a body stay 90d. Default 30d.
	Retention time.Duration `yaml:"retention"`
	// MaxPending is how many deliveries may wait; above it webhooks are answered 503. Default 1000000.
	MaxPending int `yaml:"max_pending"`
	// EncryptionKeys encrypt bodies on disk: 32 bytes each, raw or as hex:… or base64:…; the first encrypts, all decrypt. Default none.
	EncryptionKeys []secret.String `yaml:"encryption_keys"`
}

// RawKeys are the keys as they are used: 32 bytes each.
func (s *Store) RawKeys() ([][]byte, error) { return rawKeys(s.EncryptionKeys) }

// StorePath is the path of the SQLite file, "" when the store is not SQLite.
func (c *Config) StorePath() string {
	path, ok := strings.CutPrefix(c.Store.URL.Reveal(), "sqlite:")
	if !ok {
		return ""
	}
	return besides(c.Path, path)
}

// besides is file, relative to the folder of the config at path.
func besides(path, file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(filepath.Dir(path), file)
}

// Alarms say who hears of trouble.
type Alarms struct {
	// To are names of targets. Empty: alarms stand in the log and in metrics only. Default none.
	To []string `yaml:"to"`
	// BacklogAge is how long a delivery may wait before it is an alarm; 0s never is. Default 15m.
	BacklogAge time.Duration `yaml:"backlog_age"`
	// Silence is how long no known sender may send anything before it is an alarm; 0s never is. Default 0s.
	Silence time.Duration `yaml:"silence"`
}

// Privacy says which fields tell who a person is.
type Privacy struct {
	// Fields are the top-level fields that are masked wherever a body is shown. Default full_name and cifcod.
	Fields []string `yaml:"fields"`
}

// Log is the relay's own log, on stderr.
type Log struct {
	// Level is debug, info, warn or error. Default info.
	Level string `yaml:"level"`
	// Format is json, text, or auto: text on a terminal, else json. Default auto.
	Format string `yaml:"format"`
}
