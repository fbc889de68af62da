package target_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// everywhere are texts that name all there is to name.
const everywhere = "{{ id }} {{ full_name }} {{ cifcod }} {{ ticket }} {{ transaction_status }} {{ payload }} {{ payload.full_name }} {{ payload.extra }}"

// kinds are targets of every kind, with and without texts of the config's own,
// and how to see what was sent to them since one last looked.
func kinds(t *testing.T) (all map[string]target.Target, sent func() string) {
	t.Helper()
	receiver, mail := relaytest.NewTarget(t), relaytest.StartSMTP(t)
	var log bytes.Buffer
	d := target.Deps{Env: testEnv(t), Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	email := func(c target.EmailConfig) target.Target {
		c.Host, c.Port, c.TLS, c.From, c.To = "127.0.0.1", mail.Port(), "none", "relay@relay.example", []string{"a@relay.example"}
		c.SetDefaults()
		e, err := target.NewEmail("mail", c, d)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	journal, err := target.NewLog("journal", target.LogConfig{Level: "info"}, d)
	if err != nil {
		t.Fatal(err)
	}
	all = map[string]target.Target{
		"http": newHTTP(t, receiver.URL()+"/", nil),
		"http json": newHTTP(t, receiver.URL()+"/{{ cifcod }}?a={{ full_name }}&b={{ payload }}", func(c *target.HTTPConfig, _ *target.Deps) {
			c.JSON = map[string]any{"text": everywhere, "whole": "{{ payload }}"}
			c.Headers = map[string]secret.String{"X-All": secret.New(everywhere)}
		}),
		"slack":      newSlack(t, receiver.URL()+"/slack", nil),
		"slack text": newSlack(t, receiver.URL()+"/slack", func(c *target.SlackConfig) { c.Text = everywhere }),
		"slack blocks": newSlack(t, receiver.URL()+"/slack", func(c *target.SlackConfig) {
			c.Blocks = []any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": everywhere}}}
		}),
		"email":       email(target.EmailConfig{}),
		"email texts": email(target.EmailConfig{Subject: "{{ full_name }} {{ cifcod }}", Text: everywhere, HTML: "<p>" + everywhere + "</p>"}),
		"log":         journal,
	}
	requests, mails := 0, 0
	return all, func() string {
		var b strings.Builder
		for _, r := range receiver.Requests()[requests:] {
			requests++
			fmt.Fprintln(&b, r.URI, r.Header, string(r.Body))
		}
		for _, m := range mail.Mails()[mails:] {
			mails++
			fmt.Fprintln(&b, m.Sender, m.Recipients, string(m.Raw))
		}
		defer log.Reset()
		return b.String() + log.String()
	}
}

// shapedMessage has a canary in every field but id, and in all that intake took out of them.
func shapedMessage(t *testing.T) *target.Message {
	t.Helper()
	m := message(t, `{"id":"visible-1","full_name":"CANARYname","cifcod":"CANARYcif","ticket":"CANARYticket","transaction_status":"CANARYSTATUS",`+
		`"extra":{"deep":["CANARYdeep"]},"number":9876598765,"attempts":3}`)
	m.Event.Subject, m.Event.Ticket, m.Event.Status, m.Event.Person = "visible-1", "CANARYticket", "CANARYSTATUS", "CANARYcif"
	return m
}

// hidden fails when text has a canary in it, encoded or not.
func hidden(t *testing.T, name, text string) {
	t.Helper()
	for _, c := range []string{"CANARY", "9876598765", "Q0FOQV"} { // the last is base64
		if i := strings.Index(text, c); i >= 0 {
			t.Errorf("%s: %s leaves: …%s…", name, c, text[max(0, i-80):min(len(text), i+80)])
		}
	}
}

func TestAFieldThatDoesNotLeaveIsInNothingThatIsSent(t *testing.T) {
	all, sent := kinds(t)
	for name, to := range all {
		for _, shape := range []target.Shape{
			{Fields: []string{"id", "attempts"}},
			{Mask: []string{"full_name", "cifcod", "ticket", "transaction_status", "extra", "number"}},
			{Fields: []string{"id", "full_name", "number"}, Mask: []string{"full_name", "number"}},
		} {
			s := target.Shaped(to, shape)
			m := shapedMessage(t)
			if len(to.Recipients()) > 0 {
				m.Recipient = to.Recipients()[0]
			}
			p, err := s.(target.Previewer).Preview(m)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if r := s.Send(t.Context(), m); r.Outcome != event.Delivered {
				t.Fatalf("%s: %+v", name, r)
			}
			left := sent()
			hidden(t, name, left)
			hidden(t, name+", shown", fmt.Sprint(p))
			if !strings.Contains(left, "visible-1") {
				t.Errorf("%s: nothing of what may leave is in %s", name, left)
			}
			if diff := cmp.Diff(shapedMessage(t).Event, m.Event); diff != "" {
				t.Errorf("%s: the event was changed\n%s", name, diff)
			}
		}
	}
}

func TestTheBodyKeepsOrderAndBytesOfWhatLeaves(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	h := target.Shaped(newHTTP(t, receiver.URL(), nil), target.Shape{Fields: []string{"f", "big", "full_name"}, Mask: []string{"full_name"}})
	h.Send(t.Context(), message(t, odd))
	if got, want := string(receiver.Requests()[0].Body), `{"full_name":"O***","big":12345678901234567890,"f":1.0}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestWhatIntakeTookOutLeavesWithItsField: subject, ticket, status and person are copies of fields.
func TestWhatIntakeTookOutLeavesWithItsField(t *testing.T) {
	for _, row := range []struct {
		shape target.Shape
		want  [4]string
	}{
		{target.Shape{Mask: []string{"extra"}}, [4]string{"visible-1", "CANARYticket", "CANARYSTATUS", "CANARYcif"}},
		{target.Shape{Mask: []string{"id", "cifcod"}}, [4]string{"v***", "CANARYticket", "CANARYSTATUS", "C***"}},
		{target.Shape{Fields: []string{"transaction_status", "ticket"}, Mask: []string{"ticket"}}, [4]string{"", "C***", "CANARYSTATUS", ""}},
	} {
		var got *event.Event
		target.Shaped(&seeing{see: func(m *target.Message) { got = m.Event }}, row.shape).Send(t.Context(), shapedMessage(t))
		if is := [4]string{got.Subject, got.Ticket, got.Status, got.Person}; is != row.want {
			t.Errorf("%+v: %q, want %q", row.shape, is, row.want)
		}
	}
}

func TestAnAlarmLeavesWhole(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	m := message(t, `{"alarm":"target_held","state":"began","subject":"risk-slack"}`)
	m.Event.Kind = event.Alarm
	target.Shaped(newHTTP(t, receiver.URL(), nil), target.Shape{Fields: []string{"id"}, Mask: []string{"id"}}).Send(t.Context(), m)
	if got := receiver.Requests()[0].Body; !bytes.Equal(got, m.Event.Body) {
		t.Errorf("got %s", got)
	}
}

func TestABodyThatCannotBeReadDoesNotLeave(t *testing.T) {
	s := target.Shaped(&seeing{see: func(*target.Message) { t.Error("it was sent") }}, target.Shape{Mask: []string{"id"}})
	m := shapedMessage(t)
	m.Event.Body = []byte(`{"id":"CANARY`)
	r := s.Send(t.Context(), m)
	if r.Outcome != event.Rejected || r.Tries != 1 || !strings.Contains(r.Reason, "fields and mask") {
		t.Errorf("got %+v", r)
	}
	hidden(t, "the reason", r.Reason)
}

func TestShapedCanDoWhatTheTargetCan(t *testing.T) {
	some := target.Shape{Fields: []string{"id"}}
	plain := &seeing{}
	if got := target.Shaped(plain, target.Shape{}); got != target.Target(plain) {
		t.Error("without a shape it is not the target itself")
	}
	if _, ok := target.Shaped(plain, some).(target.Digester); ok {
		t.Error("it takes digests, and the target does not")
	}
	if found := target.Shaped(plain, some).(target.Prober).Probe(t.Context(), time.Second); found != nil {
		t.Errorf("it found %v", found)
	}
	if _, err := target.Shaped(plain, some).(target.Previewer).Preview(shapedMessage(t)); err == nil {
		t.Error("it shows what the target does not")
	}
	var whole []string
	several := &seeingDigests{seeing{see: func(m *target.Message) {
		b, _ := json.Marshal(m.Event)
		hidden(t, "a digest", string(b))
		whole = append(whole, fmt.Sprint(target.WholeInput(m).Payload["full_name"]))
	}}}
	target.Shaped(several, some).(target.Digester).SendDigest(t.Context(), []*target.Message{shapedMessage(t), shapedMessage(t)})
	if diff := cmp.Diff([]string{"CANARYname", "CANARYname"}, whole); diff != "" {
		t.Errorf("what only a key is made of is gone too: %s", diff)
	}
}

// seeing is a target that shows what it is handed.
type seeing struct{ see func(*target.Message) }

func (*seeing) Kind() string         { return "seeing" }
func (*seeing) Recipients() []string { return nil }
func (*seeing) Close()               {}

func (s *seeing) Send(_ context.Context, m *target.Message) target.Result {
	s.see(m)
	return target.Result{Outcome: event.Delivered, Tries: 1}
}

// seeingDigests is one that takes several at once.
type seeingDigests struct{ seeing }

func (s *seeingDigests) SendDigest(_ context.Context, ms []*target.Message) target.Result {
	for _, m := range ms {
		s.see(m)
	}
	return target.Result{Outcome: event.Delivered, Tries: 1}
}
