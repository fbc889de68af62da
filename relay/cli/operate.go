package cli

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
	"invitation-relay/relay/secret"
)

// The variables of operating: where the relay is, and who asks.
const (
	adminVariable    = "RELAY_ADMIN"
	userVariable     = "RELAY_ADMIN_USER"
	passwordVariable = "RELAY_ADMIN_PASSWORD"
)

// operateHelp ends the help of every command that operates the running relay.
const operateHelp = `
which relay, and as whom:
  -c, --config FILE          the relay of this config (default config.yaml); its
                             secrets need not be at hand
      --admin URL            the relay whose admin listener this is; so does the
                             variable RELAY_ADMIN
      --user NAME            one of its admin.users (or RELAY_ADMIN_USER)
      --password-file FILE   the password, in a file (or RELAY_ADMIN_PASSWORD):
                             secrets are never flags
      --json                 exactly what the relay's API answers, for scripts
`

// operation is what all commands have in common that operate the running relay.
type operation struct {
	configFile, admin  string
	user, passwordFile string
	json               bool
	configNamed        bool // -c was given
	configAsked        bool // the config said where the relay is: neither --admin nor RELAY_ADMIN did
}

// addFlags declares the flags of an operation.
func (o *operation) addFlags(cmd *cobra.Command) {
	configFlag(cmd, &o.configFile)
	f := cmd.Flags()
	f.StringVar(&o.admin, "admin", "", "")
	f.StringVar(&o.user, "user", "", "")
	f.StringVar(&o.passwordFile, "password-file", "", "")
	f.BoolVar(&o.json, "json", false, "")
}

// api is the relay that the flags, the variables or the config name, in this order.
func (o *operation) api(cmd *cobra.Command, w *world) (*adminAPI, error) {
	o.configNamed = cmd.Flags().Changed("config")
	listener, err := o.listener(w)
	if err != nil {
		return nil, err
	}
	a := newAdminAPI(listener)
	if a.username, a.password, err = o.credentials(w); err != nil {
		return nil, err
	}
	a.command = o.command
	return a, nil
}

// listener is where the admin listener is reached.
func (o *operation) listener(w *world) (string, error) {
	if o.admin != "" {
		return checkedAdmin(o.admin, "--admin")
	}
	if v, ok := w.lookup(adminVariable); ok && v != "" && !o.configNamed {
		return checkedAdmin(v, adminVariable)
	}
	o.configAsked = true
	listen, problems := config.ReadAdminListen(o.configFile, config.Options{Lookup: w.lookup})
	if err := unreadable(problems); err != nil {
		if !o.configNamed {
			return "", wrongUsage("nothing says which relay: there is no "+o.configFile+" here", "-c FILE, or --admin URL")
		}
		return "", err
	}
	if err := problems.Err(); err != nil {
		return "", &failure{code: exitFailed, err: err, hint: "--admin URL asks without a config"}
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "" || port == "0" {
		return "", &failure{code: exitFailed, msg: "admin.listen does not say which port", hint: "serve prints it: --admin URL"}
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// checkedAdmin is the URL of an admin listener, without a path.
func checkedAdmin(text, from string) (string, error) {
	if host, _, err := net.SplitHostPort(text); err == nil && host != "" && !strings.Contains(text, "/") {
		text = "http://" + text // an address as it stands in the config
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", wrongUsage(from+" is not the URL of a listener", "write it like http://127.0.0.1:9090")
	case u.User != nil:
		return "", wrongUsage(from+" has a user name in it", "--user NAME and --password-file FILE; a password is never a flag")
	case u.RawQuery != "" || u.Fragment != "":
		return "", wrongUsage(from+" has more than an address in it", "write it like http://127.0.0.1:9090")
	}
	return u.Scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// credentials are who asks; nobody is fine for a relay without users.
func (o *operation) credentials(w *world) (user string, password secret.String, err error) {
	if user = o.user; user == "" {
		user, _ = w.lookup(userVariable)
	}
	switch text, ok := w.lookup(passwordVariable); {
	case user == "" && o.passwordFile != "":
		return "", password, wrongUsage("--password-file without --user", "--user NAME says whose it is")
	case user == "":
		return "", password, nil
	case o.passwordFile != "":
		if text, err = secretFile(o.passwordFile); err != nil {
			return "", password, err
		}
		return user, secret.New(text), nil
	case ok && text != "":
		return user, secret.New(text), nil
	}
	return "", password, wrongUsage("no password for "+printable(user), "--password-file FILE or the variable "+passwordVariable+" holds it; a password is never a flag")
}

// command is a command line that asks the same relay, to be copied.
func (o *operation) command(rest string) string {
	words := []string{"invitation-relay", rest}
	for _, flag := range []struct {
		name, value string
		given       bool
	}{
		{"-c", o.configFile, o.configNamed && o.admin == ""},
		{"--admin", o.admin, o.admin != ""},
		{"--user", o.user, o.user != ""},
		{"--password-file", o.passwordFile, o.passwordFile != ""},
	} {
		if flag.given {
			words = append(words, flag.name, shellWord(flag.value))
		}
	}
	return strings.Join(words, " ")
}

// shellWord is text as one word of a command line.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,@%+=", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// group is a command that only has others below it.
func group(name, help string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:                        name,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			hint := "invitation-relay " + name + " --help lists them"
			if len(args) == 0 {
				return wrongUsage("no command given after "+name, hint)
			}
			if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
				hint = "did you mean " + name + " " + strings.Join(s, " or ") + "?"
			}
			return wrongUsage(fmt.Sprintf("no command %q", name+" "+args[0]), hint)
		},
	}
	cmd.AddCommand(below...)
	setHelp(cmd, help)
	return cmd
}
