package target

import (
	"slices"

	"github.com/wneessen/go-mail/smtp"
)

// mailAuthAuto is the word of EmailConfig.Auth for the best of what is offered.
const mailAuthAuto = "auto"

// The names that servers offer login mechanisms under.
const (
	mechPlain    = "PLAIN"
	mechLogin    = "LOGIN"
	mechCRAM     = "CRAM-MD5"
	mechXOAUTH2  = "XOAUTH2"
	mechSCRAM1   = "SCRAM-SHA-1"
	mechSCRAM256 = "SCRAM-SHA-256"
)

// mechanismSet is the mechanism that a word of EmailConfig.Auth names, "" for
// auto and for what is no such word.
func mechanismSet(word string) string {
	switch word {
	case "plain":
		return mechPlain
	case "login":
		return mechLogin
	case "cram-md5":
		return mechCRAM
	case "xoauth2":
		return mechXOAUTH2
	}
	return ""
}

// mailAuth logs in by the mechanism that is set, or the best that the server
// offers. Without TLS it refuses, whatever the mechanism, unless that was asked
// for (tls: none) and the other end of the connection really is this machine.
type mailAuth struct {
	cfg   *EmailConfig
	local bool
	smtp.Auth
}

// Start chooses the mechanism and begins it.
func (a *mailAuth) Start(server *smtp.ServerInfo) (string, []byte, error) {
	clearText := a.local && a.cfg.TLS == mailTLSNone
	if !server.TLS && !clearText {
		return "", nil, errMailClearLogin
	}
	mechanism, err := chooseMechanism(a.cfg.Auth, server.Auth)
	if err != nil {
		return "", nil, err
	}
	user, pass := a.cfg.Username, a.cfg.Password.Reveal()
	switch mechanism {
	case mechPlain:
		a.Auth = smtp.PlainAuth("", user, pass, server.Name, clearText)
	case mechLogin:
		a.Auth = smtp.LoginAuth(user, pass, server.Name, clearText)
	case mechSCRAM256:
		a.Auth = smtp.ScramSHA256Auth(user, pass)
	case mechSCRAM1:
		a.Auth = smtp.ScramSHA1Auth(user, pass)
	case mechCRAM:
		a.Auth = smtp.CRAMMD5Auth(user, pass)
	case mechXOAUTH2:
		a.Auth = smtp.XOAuth2Auth(user, pass)
	}
	return a.Auth.Start(server)
}

// chooseMechanism is the mechanism to log in by. One that is set but not offered
// is not tried: somebody on the way who takes it out of the offer would else be
// answered with the password in another form.
//
// Of what is offered PLAIN comes first: inside verified TLS it is as safe as the
// others, and the one that no server gets wrong, while servers do offer
// challenges that their hashed passwords cannot answer. XOAUTH2 comes last: most
// servers that offer it take passwords too, and where it stands alone, what is
// set as the password can only be a token.
func chooseMechanism(word string, offered []string) (string, error) {
	if want := mechanismSet(word); want != "" {
		if !slices.Contains(offered, want) {
			return "", errMailNotOffered
		}
		return want, nil
	}
	for _, m := range [...]string{mechPlain, mechLogin, mechSCRAM256, mechSCRAM1, mechCRAM, mechXOAUTH2} {
		if slices.Contains(offered, m) {
			return m, nil
		}
	}
	return "", errMailNoMechanism
}
