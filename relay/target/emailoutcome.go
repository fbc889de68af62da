package target

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	"invitation-relay/relay/event"
)

// mailResult reads a failed attempt as an outcome. Its reason has the server's
// codes and our own sentence, never the server's words: those quote addresses,
// and sometimes the mail.
func mailResult(stage mailStage, err error, attempt int) Result {
	if a := answerOf(err); a != nil {
		enhanced := enhancedCode(a.Msg)
		outcome, why := mailVerdict(stage, a.Code, enhanced)
		said := fmt.Sprintf("%03d", a.Code)
		if enhanced != "" {
			said += " " + enhanced
		}
		r := Result{Outcome: outcome, Status: a.Code, Reason: said + ": " + why, Tries: 1}
		if greylists(stage, a.Code, enhanced, attempt) {
			r.NotBefore = greylistWait
		}
		return r
	}
	outcome, why := mailFailure(stage, err)
	if stage == mailSent {
		why += "; the mail may have arrived: it is sent again with the same Message-ID"
	}
	return Result{Outcome: outcome, Reason: why, Tries: 1}
}

// greylistWait is how long a greylisted mail waits at least. Servers that do so
// (RFC 6647) want to see it again after one to five minutes; some begin anew for
// one that comes back within seconds.
const greylistWait = time.Minute

// greylists reports whether an answer wants to see the mail again later: one
// that says so, at whatever attempt, since the wait is the least and never
// shortens what the schedule has; and one that says nothing but "not now" of the
// recipient, at the first attempt only, since it may as well be something else.
func greylists(stage mailStage, code int, enhanced string, attempt int) bool {
	switch {
	case stage < mailSender || code/100 != 4 || code == 421:
		return false
	case (code == 450 || code == 451) && enhanced == "4.7.1":
		return true
	}
	return stage == mailRecipient && attempt <= 1
}

// answerOf is the server's answer in err, nil when there was none.
func answerOf(err error) *textproto.Error {
	a, _ := errors.AsType[*textproto.Error](err)
	return a
}

// enhancedStatus is an enhanced status code (RFC 3463) where RFC 2034 puts it:
// before the text.
var enhancedStatus = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

func enhancedCode(answer string) string { return enhancedStatus.FindString(answer) }

// mailVerdict is the outcome of an answer that ended an attempt (RFC 5321,
// section 4.2.1), and the sentence for it. A refusal before the recipient was
// named concerns the relay's login, address or sender, and so every mail: the
// target is held, and its events wait for the settings to be put right. From
// the recipient on it concerns this mail.
func mailVerdict(stage mailStage, code int, enhanced string) (event.Outcome, string) {
	switch {
	case code/100 == 4:
		return event.Retry, temporary(code, enhanced)
	case code/100 != 5:
		return event.Retry, "the server answered out of turn: is it a mail server?"
	}
	if why := loginRefusal(code, enhanced); why != "" {
		return event.Held, why
	}
	switch stage {
	case mailConnecting, mailGreeting:
		return event.Held, "the server refuses this relay altogether: its address may be on a block list, or host is wrong"
	case mailTLS:
		return event.Held, "the server refuses STARTTLS: with tls: implicit (port 465) it may be willing"
	case mailLogin:
		return event.Held, mailLoginRefused
	case mailSender:
		if code == 552 || enhanced == "5.3.4" {
			return event.Rejected, permanent(code, enhanced)
		}
		switch code {
		case 500, 501, 502, 503, 504, 555:
			return event.Held, "the server does not understand how the relay begins a mail: is it a mail server that takes mail from programs?"
		}
		return event.Held, "the server does not let the relay send as `from`: use an address that belongs to the login"
	case mailRecipient, mailData, mailSent:
	}
	return event.Rejected, permanent(code, enhanced)
}

// loginRefusal is the sentence for the codes that ask for a login, another one,
// or encryption (RFC 4954, section 6), at whatever stage; "" for all others.
func loginRefusal(code int, enhanced string) string {
	switch {
	case code == 535, code == 525, enhanced == "5.7.8":
		return mailLoginRefused
	case code == 530:
		return "the server wants a login, or encryption, first: set username and password, or tls"
	case code == 534, enhanced == "5.7.9":
		return "the login mechanism is too weak for this account: an app password may be needed"
	case code == 538, code == 523, enhanced == "5.7.10", enhanced == "5.7.11":
		return "the server wants an encrypted connection for this: set tls to mandatory or implicit"
	}
	return ""
}

// mailLoginRefused does not tell a password from a token: servers do not either.
const mailLoginRefused = "the server refuses the login: check username and password; a token (auth: xoauth2) may have expired"

// temporary is the sentence for 4yz. Nothing is to be done about most of them.
func temporary(code int, enhanced string) string {
	switch detail(enhanced) {
	case "7.1":
		return "the server wants to see this mail again later (greylisting): nothing to do"
	case "2.2":
		return "the mailbox is full"
	case "3.1", "3.2":
		return "the mail server is full or out of service"
	case "7.0", "7.8":
		return "the server could not check the login or the sender just now"
	}
	switch code {
	case 421:
		return "the mail server is closing or too busy"
	case 450:
		return "the mailbox is busy, or greylisted: nothing to do"
	case 452:
		return "the mail server has no room"
	case 454:
		return "TLS or the login is out of service just now"
	}
	return "the mail server has a passing problem"
}

// permanent is the sentence for 5yz about one mail or one mailbox.
func permanent(code int, enhanced string) string {
	switch detail(enhanced) {
	case "1.1", "1.10":
		return "there is no such mailbox: correct the address in `to`"
	case "1.2", "1.3":
		return "the recipient's address is not valid: correct it in `to`"
	case "1.6":
		return "the mailbox has moved: correct the address in `to`"
	case "1.7", "1.8":
		return "the sender's address is not accepted: correct `from`"
	case "2.1":
		return "the mailbox is disabled"
	case "2.2":
		return "the mailbox is full"
	case "2.3", "3.4":
		return "the mail is too big for the server"
	case "7.1":
		return "the server's policy refuses this mail, or does not relay for this sender or recipient: ask its administrator"
	case "7.20", "7.21", "7.22", "7.23", "7.24", "7.25", "7.26":
		return "the mail fails SPF, DKIM or DMARC: let the server behind `host` send for the domain of `from`"
	}
	if strings.HasPrefix(enhanced, "5.7.") {
		return "the server's policy refuses this mail: ask its administrator"
	}
	switch code {
	case 550, 551, 553, 556:
		return "the mailbox is not there or takes no mail from us: check the address in `to`"
	case 552:
		return "the mailbox is full, or the mail is too big for it"
	}
	return "the server refuses this mail for good"
}

// detail is an enhanced code without its class: "1.1" of "5.1.1".
func detail(enhanced string) string {
	if enhanced == "" {
		return ""
	}
	return enhanced[2:]
}

// mailFailure is the outcome of an attempt that ended without an answer.
func mailFailure(stage mailStage, err error) (event.Outcome, string) {
	switch {
	case errors.Is(err, errMailStopped):
		return event.Retry, "the relay is stopping and cut the attempt short"
	case errors.Is(err, errMailTimeout):
		if stage == mailGreeting {
			return event.Retry, "the server did not greet in time: a port for TLS from the start (465) wants tls: implicit"
		}
		return event.Retry, "the attempt took longer than the target's timeout"
	case errors.Is(err, errForbiddenAddress):
		return event.Held, "host leads to a link-local, metadata, unspecified or multicast address, which is refused: check host"
	case errors.Is(err, errMailNoTLS):
		return event.Held, "the server does not offer STARTTLS: try tls: implicit with port 465; nothing was sent"
	case errors.Is(err, errMailClearLogin):
		return event.Held, "the connection is not encrypted, so the password was not sent: use tls: mandatory or implicit"
	case errors.Is(err, errMailNoMechanism):
		return event.Held, "the server offers no login the relay knows (PLAIN, LOGIN, SCRAM, CRAM-MD5, XOAUTH2): leave username and password out, or use another port"
	case errors.Is(err, errMailNotOffered):
		return event.Held, "the server does not offer the login that auth names: leave auth out, so that what it offers is used"
	case errors.Is(err, errMailTalkative):
		return event.Retry, "the server did not stop talking: is it a mail server?"
	}
	if why := certificateFault(err); why != "" {
		return event.Held, why
	}
	return networkFault(stage, err)
}

// certificateFault is the sentence for a certificate that does not prove who
// the server is; "" when err is something else.
func certificateFault(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		return ""
	}
	why := "it proves nothing"
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		why = "it is for another name: set host to the name in it"
	} else if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		why = "it is signed by nobody this machine trusts: add the authority to the system's, or point SSL_CERT_FILE at it"
	} else if c, ok := errors.AsType[x509.CertificateInvalidError](err); ok && c.Reason == x509.Expired {
		why = "it has expired or is not valid yet: renew it, or check this machine's clock"
	}
	return "certificate not valid: " + why + "; nothing was sent"
}

// networkFault is for what is left: names, connections, and servers that are
// none. All of it may pass, but for a login that ended in nonsense.
func networkFault(stage mailStage, err error) (event.Outcome, string) {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return event.Retry, "the host name is unknown: check host"
		}
		return event.Retry, "the host name could not be looked up"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return event.Retry, "the server does not speak TLS here: tls: implicit is for port 465, mandatory for 587"
	}
	if _, ok := errors.AsType[textproto.ProtocolError](err); ok {
		return event.Retry, "what answered is not a mail server: check host and port"
	}
	_, network := errors.AsType[net.Error](err)
	switch stage {
	case mailConnecting:
		return event.Retry, "no connection to the mail server: check host and port, and whether it is up"
	case mailGreeting:
		return event.Retry, "the server closed the connection instead of greeting"
	case mailTLS:
		return event.Retry, "the TLS handshake broke off"
	case mailLogin:
		if !network && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return event.Held, "the login broke off: the server does not follow its own mechanism"
		}
	case mailSender, mailRecipient, mailData, mailSent:
	}
	return event.Retry, "the connection was lost"
}
