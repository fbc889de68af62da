package cli

import (
	"errors"
	"net"
	"strconv"

	"invitation-relay/relay/relaytest"
)

// receivers are the demo's own targets, on free ports of loopback.
type receivers struct {
	slack       *relaytest.Slack
	slackServer *relaytest.Server
	cases       *relaytest.Target
	mail        *relaytest.SMTP
}

// startReceivers starts all three. The case system fails twice: with a 500,
// which is tried again later, then with a 503, which is tried again at once.
func startReceivers() (*receivers, error) {
	var r receivers
	var errs [3]error
	r.slack, r.slackServer, errs[0] = relaytest.StartSlack()
	r.cases, errs[1] = relaytest.StartTarget(relaytest.Status(500), relaytest.Status(503), relaytest.Status(200))
	r.mail, errs[2] = relaytest.NewSMTP()
	if err := errors.Join(errs[:]...); err != nil {
		r.close()
		return nil, err
	}
	return &r, nil
}

func (r *receivers) close() {
	if r.slackServer != nil {
		r.slackServer.Close()
	}
	if r.cases != nil {
		r.cases.Close()
	}
	if r.mail != nil {
		_ = r.mail.Close() // the demo is over
	}
}

// variables are what the example's references find.
func (r *receivers) variables() map[string]string {
	return map[string]string{
		"RELAY_LISTEN":       freeAddress("127.0.0.1:8080"),
		"RELAY_ADMIN_LISTEN": freeAddress("127.0.0.1:9090"),
		"SLACK_URL":          r.slackServer.URL() + "/services/T000/B000/demo",
		"CASE_API_URL":       r.cases.URL() + "/cases",
		"SMTP_HOST":          r.mail.Host(),
		"SMTP_PORT":          strconv.Itoa(r.mail.Port()),
	}
}

// freeAddress is the wanted address, or any port beside it when that is taken.
func freeAddress(want string) string {
	l, err := net.Listen("tcp", want) //nolint:noctx // returns at once
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close() // it was only a question
	return want
}
