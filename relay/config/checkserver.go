package config

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func (k *checker) server() {
	s := &k.c.Server
	host, port, ok := k.address("server.listen", s.Listen)
	adminHost, adminPort, adminOK := k.address("admin.listen", k.c.Admin.Listen)
	if ok && adminOK && port != 0 && port == adminPort && (host == adminHost || anyHost(host) || anyHost(adminHost)) {
		at, other := "admin.listen", "server.listen"
		if !k.has(at) {
			at, other = other, at
		}
		k.wrong(at, "the same port as "+other, "webhooks and administration have a listener each")
	}
	k.lasts("server.shutdown_timeout", s.ShutdownTimeout, time.Second, time.Hour)
	switch {
	case s.TLS.CertFile == "" && s.TLS.KeyFile != "":
		k.missing("server.tls.cert_file", "the certificate that belongs to key_file")
	case s.TLS.KeyFile == "" && s.TLS.CertFile != "":
		k.missing("server.tls.key_file", "the private key that belongs to cert_file")
	case s.TLS.ClientCAFile != "" && s.TLS.CertFile == "":
		k.missing("server.tls.cert_file", "clients show certificates only to a server that has one")
	}
	k.readableFile("server.tls.cert_file", s.TLS.CertFile)
	k.readableFile("server.tls.key_file", s.TLS.KeyFile)
	k.readableFile("server.tls.client_ca_file", s.TLS.ClientCAFile)
}

func anyHost(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

// readableFile makes sure that there is a file: what is in it is read when the
// relay starts, and again when it changes.
func (k *checker) readableFile(path, name string) {
	if name == "" {
		return
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		k.wrong(path, "the file cannot be read: "+fileReason(err), "paths are relative to this file")
	case info.IsDir():
		k.wrong(path, "this is a folder, not a file", "")
	}
}

func (k *checker) admin() {
	a := &k.c.Admin
	if len(a.Users) == 0 && !k.brokenBelow("admin") && !IsLoopback(a.Listen) {
		k.wrong("admin.listen", "anybody on the network could operate the relay: no users, and not a loopback address",
			"listen on 127.0.0.1:9090, or add under admin (`htpasswd -nB ops` makes the hash):\n"+
				`users: [{name: ops, password_hash: "${env:ADMIN_PASSWORD_HASH}", role: operator}]`)
	}
	first := make(map[string]string, len(a.Users))
	for i, u := range a.Users {
		path := index("admin.users", i)
		switch before, twice := first[u.Name]; {
		case u.Name == "":
			k.missing(path+".name", "")
		case strings.ContainsAny(u.Name, ":\r\n\x00"):
			k.wrong(path+".name", "must not contain a colon or a line break", "HTTP Basic sends name:password")
		case twice:
			k.wrong(path+".name", "the same name as "+before, "")
		default:
			first[u.Name] = path
		}
		if u.PasswordHash.IsZero() {
			k.missing(path+".password_hash", "`htpasswd -nB name` makes one")
		} else if _, err := bcrypt.Cost([]byte(u.PasswordHash.Reveal())); err != nil || len(u.PasswordHash.Reveal()) != bcryptLength {
			k.wrong(path+".password_hash", "not a bcrypt hash", "it begins with $2b$ or $2y$ and has 60 characters; `htpasswd -nB name` makes one")
		}
		k.oneOf(path+".role", u.Role, RoleViewer, RoleOperator)
	}
}

// bcryptLength is the length of a bcrypt hash; bcrypt.Cost looks at its beginning only.
const bcryptLength = 60

func (k *checker) store() {
	s := &k.c.Store
	url := s.URL.Reveal()
	file, sqlite := strings.CutPrefix(url, "sqlite:")
	const hint = "sqlite:relay.db, a file relative to this one, or sqlite:/var/lib/relay/relay.db"
	switch {
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		k.wrong("store.url", "PostgreSQL is not yet supported", hint)
	case !sqlite:
		k.wrong("store.url", "must begin with sqlite:", hint)
	case file == "" || strings.HasSuffix(file, "/"):
		k.wrong("store.url", "no file is named after sqlite:", hint)
	case strings.HasPrefix(file, ":memory:"), strings.HasPrefix(file, "file:"), strings.HasPrefix(file, "//"), strings.ContainsAny(file, "?#\r\n\x00"):
		k.wrong("store.url", "after sqlite: stands the path of a file and nothing else", hint)
	}
	k.lasts("store.retention", s.Retention, time.Minute, 36500*day)
	k.between("store.max_pending", s.MaxPending, 1, 1_000_000_000)
	for i, key := range s.EncryptionKeys {
		k.key(index("store.encryption_keys", i), key)
	}
}

func (k *checker) alarms() {
	a := &k.c.Alarms
	seen := make(map[string]bool, len(a.To))
	for i, name := range a.To {
		at := index("alarms.to", i)
		if seen[name] {
			k.doubt(at, "the target stands here twice, and gets the alarm once", "")
		}
		seen[name] = true
		k.targetExists(at, at, name)
	}
	k.lonely()
	k.lasts("alarms.backlog_age", a.BacklogAge, 0, 365*day)
	k.lasts("alarms.silence", a.Silence, 0, 365*day)
}

// lonely warns when the only target that hears of trouble is one whose trouble
// would be worth hearing of.
func (k *checker) lonely() {
	to := slices.Compact(slices.Sorted(slices.Values(k.c.Alarms.To)))
	if len(to) != 1 || k.c.Targets[to[0]] == nil {
		return
	}
	for _, r := range k.c.Rules {
		if r.Enabled && !r.Shadow && slices.Contains(r.To, to[0]) {
			k.doubt("alarms.to", "events go to the only target of alarms too: of its own trouble nobody hears until it is over", "name a second target, of another kind if you can")
			return
		}
	}
}

func (k *checker) log() {
	k.oneOf("log.level", k.c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", k.c.Log.Format, "auto", "json", "text")
}

// targetExists reports a name that is no target's.
func (k *checker) targetExists(path, who, name string) {
	if k.c.Targets[name] != nil || k.places["targets"].broken {
		return
	}
	if k.places[path].hidden {
		k.blame(path, who, "there is no target of this name", "")
		return
	}
	hint := didYouMean(name, k.c.targetOrder)
	if len(k.c.targetOrder) == 0 {
		hint = "there are no targets: add some under targets:"
	}
	k.blame(path, who, fmt.Sprintf("there is no target %q", name), hint)
}
