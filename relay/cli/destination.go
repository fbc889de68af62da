package cli

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
	"invitation-relay/relay/secret"
)

// destination is where the vendor sends, and with what: what a config says, or
// what the flags say, or the one over the other.
type destination struct {
	configFile              string
	source                  string
	to                      string
	user                    string
	passwordFile, keyFile   string
	plain                   bool
	configNamed, sourceSeen bool // -c and --source were given

	preset string // of the source, once the vendor is made; "" without a config
}

// addFlags declares the flags of a destination.
func (d *destination) addFlags(cmd *cobra.Command) {
	configFlag(cmd, &d.configFile)
	f := cmd.Flags()
	f.StringVar(&d.source, "source", "", "")
	f.StringVar(&d.to, "to", "", "")
	f.StringVar(&d.user, "user", "", "")
	f.StringVar(&d.passwordFile, "password-file", "", "")
	f.StringVar(&d.keyFile, "key-file", "", "")
	f.BoolVar(&d.plain, "plain", false, "")
}

// vendor returns one that sends there. The config is read when it is named, or
// when nothing else says where to.
func (d *destination) vendor(w *world) (*vendor, error) {
	v := newVendor("")
	if d.configNamed || d.sourceSeen || d.to == "" {
		cfg, problems := config.Load(d.configFile, config.Options{Lookup: w.lookup})
		if err := unreadable(problems); err != nil {
			if !d.configNamed && !d.sourceSeen {
				return nil, wrongUsage("nothing says where to send to: there is no "+d.configFile+" here", "--to URL, or -c FILE")
			}
			return nil, err
		}
		if err := problems.Err(); err != nil {
			return nil, &failure{code: exitFailed, err: err, hint: "the config must be right before it can say where to send to; --to URL needs none"}
		}
		if err := d.fromConfig(w, v, cfg); err != nil {
			return nil, err
		}
	}
	return v, d.fromFlags(v)
}

// fromConfig fills in what the source of a config expects of its sender: of
// alternatives, the first.
func (d *destination) fromConfig(w *world, v *vendor, cfg *config.Config) error {
	s, err := d.chosen(w, cfg)
	if err != nil {
		return err
	}
	d.preset = s.Preset
	if d.to == "" {
		if v.url, err = baseURL(cfg.Server); err != nil {
			return err
		}
	}
	v.url += s.Path // with --to: the path for an URL that has none
	if basic := s.Auth.Basic; len(basic) > 0 {
		v.username, v.password = basic[0].Username, basic[0].Password
		for _, b := range basic {
			if b.Username == d.user {
				v.username, v.password = b.Username, b.Password
				break
			}
		}
	}
	if len(s.Auth.Headers) > 0 {
		v.headers = s.Auth.Headers[:1]
	}
	if len(s.Auth.Signature) > 0 {
		v.signing = s.Auth.Signature[0]
	}
	keys, err := s.Encryption.RawKeys()
	if err != nil {
		return fmt.Errorf("source %s: %w", s.Name, err)
	}
	if len(keys) > 0 {
		v.key = keys[0]
	}
	return nil
}

// chosen is the source that --source names, or the first.
func (d *destination) chosen(w *world, cfg *config.Config) (*config.Source, error) {
	all := cfg.SourcesInOrder()
	names := make([]string, 0, len(all))
	for _, s := range all {
		if s.Name == d.source {
			return s, nil
		}
		names = append(names, s.Name)
	}
	switch {
	case len(all) == 0:
		return nil, &failure{code: exitFailed, msg: "the config has no source", hint: "invitation-relay check -c " + shellWord(d.configFile)}
	case d.source != "":
		return nil, wrongUsage(fmt.Sprintf("no source %q in the config", d.source), "the sources are "+strings.Join(names, ", "))
	case len(all) > 1:
		fmt.Fprintf(w.stderr, "source %s, the first of %s (--source names another)\n", names[0], strings.Join(names, ", "))
	}
	return all[0], nil
}

// baseURL is where a listener is reached from this machine.
func baseURL(s config.Server) (string, error) {
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil || port == "" || port == "0" {
		return "", &failure{code: exitFailed, msg: "server.listen does not say which port", hint: "--to URL says it"}
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if s.TLS.CertFile != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

// fromFlags lets the flags have the last word.
func (d *destination) fromFlags(v *vendor) error {
	if d.to != "" {
		u, err := checkedURL(d.to)
		if err != nil {
			return err
		}
		if u.Path == "" {
			u.Path = v.url // so far only the source's path, "" without a config
		}
		v.url = u.String()
	}
	if d.user != "" && d.user != v.username {
		v.username, v.password = d.user, secret.String{}
	}
	if d.passwordFile != "" {
		if v.username == "" {
			return wrongUsage("--password-file without --user", "--user NAME says whose it is")
		}
		text, err := secretFile(d.passwordFile)
		if err != nil {
			return err
		}
		v.password = secret.New(text)
	}
	if v.username != "" && v.password.IsZero() {
		return wrongUsage("--user without a password", "--password-file FILE holds it; a password is never a flag")
	}
	if d.keyFile != "" {
		text, err := secretFile(d.keyFile)
		if err != nil {
			return err
		}
		if v.key, err = config.RawKey(secret.New(text)); err != nil {
			return fmt.Errorf("read %s: %w", d.keyFile, err)
		}
	}
	if d.plain {
		v.key = nil
	}
	return nil
}

// checkedURL is a URL to send to. Its errors do not quote it: it may hold a token.
func checkedURL(to string) (*url.URL, error) {
	u, err := url.Parse(to)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, wrongUsage("--to is not the URL of a web server", "write it like http://127.0.0.1:8080/webhooks/invitation")
	case u.User != nil:
		return nil, wrongUsage("--to has a user name in it", "--user NAME and --password-file FILE; a password is never a flag")
	}
	return u, nil
}

// secretFile reads a secret as editors and echo write it: without the line break
// at the end.
func secretFile(name string) (string, error) {
	b, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) == 0 {
		return "", &failure{code: exitFailed, msg: name + " is empty", hint: "it must hold the secret and nothing else"}
	}
	return string(b), nil
}

// shownURL is where v sends to, as it may be printed: a query may hold a token.
func shownURL(v *vendor) string {
	u, err := url.Parse(v.url)
	if err != nil {
		return "there"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
