package alarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// world is a Keeper, and all that it asks and tells.
type world struct {
	*testing.T
	k    *Keeper
	log  bytes.Buffer
	reg  *prometheus.Registry
	ids  event.IDs
	stop func()

	mu      sync.Mutex
	stored  map[ID]outbox.Alarm
	down    bool // the store takes nothing
	told    []string
	entries []*outbox.Entry

	set     Settings
	targets []Target
	waits   map[string]time.Time // since when what is no alarm waits
	senders []Sender
	refused bool
	heard   time.Time
	gain    time.Duration // by which the clock is ahead
}

var errDown = errors.New("down")

// inWorld runs a test in a bubble of fake time.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, stored: map[ID]outbox.Alarm{}, waits: map[string]time.Time{}}
		w.set = Settings{To: []Recipient{{"ops", []outbox.Address{"ops"}}}, BacklogAge: 15 * time.Minute, ConfigPath: "relay.yaml"}
		w.start()
		test(w)
		w.stop()
	})
}

func (w *world) start() {
	w.reg = prometheus.NewPedanticRegistry()
	w.k = New(Config{
		Store: w, Put: w.put, NewID: w.ids.New,
		Settings: func() Settings { return locked(w, &w.set) },
		Targets:  func() []Target { return locked(w, &w.targets) },
		Senders:  func() []Sender { return locked(w, &w.senders) },
		Refused:  func() bool { return locked(w, &w.refused) },
		Waiting:  w.waiting,
		LastHeard: func(context.Context) (time.Time, error) {
			return locked(w, &w.heard), nil
		},
		Now: func() time.Time { return time.Now().Add(locked(w, &w.gain)) },
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Metrics: w.reg,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.k.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	}
	w.pass(time.Second)
}

// restart ends the Keeper and makes another on the same store.
func (w *world) restart() {
	w.stop()
	w.start()
}

func locked[T any](w *world, v *T) T {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *v
}

// now changes the world and lets it be noticed.
func (w *world) now(change func()) {
	w.mu.Lock()
	change()
	w.mu.Unlock()
	w.k.Look()
	w.pass(time.Second)
}

func (w *world) pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func (w *world) waiting(_ context.Context, target string, before time.Time) (d outbox.Pending, found bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return d, false, errDown
	}
	at, ok := w.waits[target]
	return outbox.Pending{CreatedAt: at, Key: outbox.Key{Event: event.ID{1}, Address: outbox.Address(target)}}, ok && at.Before(before), nil
}

func (w *world) put(_ context.Context, e *outbox.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return errDown
	}
	f := e.Event.Fields
	w.told = append(w.told, fmt.Sprintf("%s %v: %v %v", e.To, f["alarm"], f["subject"], f["state"]))
	w.entries = append(w.entries, e)
	return nil
}

func (w *world) Alarms(context.Context) (all []outbox.Alarm, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.stored {
		all = append(all, a)
	}
	return all, nil
}

func (w *world) SetAlarm(_ context.Context, a outbox.Alarm) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return errDown
	}
	if w.stored[ID{a.Kind, a.Subject}] = a; a.Since.IsZero() {
		delete(w.stored, ID{a.Kind, a.Subject})
	}
	return nil
}

// want compares what was told since the last call.
func (w *world) want(told ...string) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(told, w.told); diff != "" {
		w.Errorf("told (-want +got)\n%s", diff)
	}
	w.told = nil
}

func (w *world) active() []outbox.Alarm {
	all, err := w.k.Active(context.Background())
	if err != nil {
		w.Error(err)
	}
	return all
}

func (w *world) die(target string) {
	w.k.Dead(outbox.Key{Event: w.ids.New(time.Now()), Address: outbox.Address(target)}, "the target answered 400")
}

func TestOneMessageWhenItBeginsOneWhenItEndsAndNeverOneAnEvent(t *testing.T) {
	inWorld(t, func(w *world) {
		w.now(func() { w.targets = []Target{{Name: "api", Dead: 1}} })
		for range 5000 {
			w.die("api")
		}
		w.pass(time.Minute)
		w.want("[ops] dead_letter: api began")
		w.die("api")
		w.pass(59 * time.Minute)
		w.die("api")
		w.pass(59 * time.Minute)
		w.want()
		w.pass(2 * time.Minute)
		w.want("[ops] dead_letter: api ended")
		if got := w.entries[1].Event.Fields["reason"]; !strings.HasSuffix(got.(string), "it happened 5002 times") {
			t.Errorf("%s", got)
		}
	})
}

func TestDeadLettersEndWhenNoneIsLeft(t *testing.T) {
	inWorld(t, func(w *world) {
		w.now(func() { w.targets = []Target{{Name: "api", Dead: 1}} })
		w.die("api")
		w.die("gone") // not in the config any more: nobody counts its dead
		w.pass(5 * time.Minute)
		w.want("[ops] dead_letter: api began", "[ops] dead_letter: gone began")
		w.now(func() { w.targets[0].Dead = 0 })
		w.pass(time.Minute)
		w.want("[ops] dead_letter: api ended")
	})
}

func TestHoldIsAnAlarmUnlessByHandOrOnlyAlarmsWait(t *testing.T) {
	inWorld(t, func(w *world) {
		held := Target{Name: "slack", Held: true, HeldSince: time.Now(), HeldReason: "Slack answered no_service"}
		w.now(func() { w.targets = []Target{held} })
		w.pass(time.Hour)
		w.want() // nothing but alarms wait
		w.now(func() { w.waits["slack"] = time.Now() })
		w.want("[ops] target_held: slack began")
		w.now(func() { delete(w.waits, "slack") }) // they died; the hold is still what it was
		w.pass(time.Hour)
		w.want()
		w.now(func() { w.targets[0].ByHand = true })
		w.pass(time.Minute)
		w.want("[ops] target_held: slack ended")
		w.now(func() { w.waits["slack"] = time.Now() })
		w.pass(time.Minute)
		w.want()
		m := string(w.entries[0].Event.Body)
		const want = `{"alarm":"target_held","state":"began","subject":"slack","reason":"Slack answered no_service","command":"invitation-relay targets release slack","since":"2000-01-01T00:00:01Z","event_id":"01000000-0000-0000-0000-000000000000","delivery_id":"01000000-0000-0000-0000-000000000000.slack"}`
		if diff := cmp.Diff(want, m); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if ev := w.entries[0].Event; ev.Kind != event.Alarm || ev.Source != Source || ev.ID.IsZero() || ev.Person != "" || !w.entries[0].DedupeSince.IsZero() {
			t.Errorf("%+v", w.entries[0])
		}
	})
}

func TestBacklogSilenceReloadAndDecryptionAreMeasured(t *testing.T) {
	inWorld(t, func(w *world) {
		w.now(func() {
			w.set.Silence = 2 * time.Hour
			w.targets = []Target{{Name: "api", Oldest: time.Now()}}
			w.waits["api"] = time.Now().Add(5 * time.Minute) // the oldest is an alarm
		})
		w.pass(19 * time.Minute)
		w.want()
		w.pass(2 * time.Minute)
		w.want("[ops] backlog: api began")
		w.now(func() { w.targets[0].Oldest = time.Time{} })
		w.pass(time.Minute)
		w.want("[ops] backlog: api ended")

		w.now(func() { w.refused = true })
		w.now(func() { w.refused = false })
		w.pass(time.Minute)
		w.want("[ops] reload_failed: <nil> began", "[ops] reload_failed: <nil> ended")

		w.now(func() { w.senders = []Sender{{Name: "enc", Heard: 9, Sealed: 5}, {Name: "plain", Heard: 9}} })
		w.want("[ops] decryption_failures: enc began")
		w.pass(11 * time.Minute)
		w.want("[ops] decryption_failures: enc ended")
		w.pass(2 * time.Hour)
		w.want("[ops] silence: <nil> began")
		w.now(func() { w.senders[1].Heard++ })
		w.pass(time.Minute)
		w.want("[ops] silence: <nil> ended")
	})
}

func TestSwitchedOffMeansNeverAnAlarm(t *testing.T) {
	inWorld(t, func(w *world) {
		w.now(func() {
			w.set = Settings{To: w.set.To}
			w.targets, w.waits["api"] = []Target{{Name: "api", Oldest: time.Now()}}, time.Now()
		})
		w.pass(48 * time.Hour)
		w.want()
	})
}

func TestRestartNeitherRepeatsNorForgetsAnAlarm(t *testing.T) {
	inWorld(t, func(w *world) {
		w.now(func() {
			w.targets = []Target{{Name: "api", Held: true, HeldSince: time.Now(), Dead: 1}}
			w.waits["api"] = time.Now()
			w.senders = []Sender{{Name: "enc", Heard: 5, Sealed: 5}}
		})
		w.die("api")
		w.k.RuleError("r", event.ID{})
		w.pass(time.Minute)
		w.want("[ops] target_held: api began", "[ops] decryption_failures: enc began", "[ops] dead_letter: api began", "[ops] rule_error: r began")
		before := w.active()
		w.stop()
		w.mu.Lock()
		w.senders = []Sender{{Name: "enc"}} // counters begin anew
		w.mu.Unlock()
		w.pass(time.Hour) // not running
		w.start()
		if diff := cmp.Diff(before, w.active()); diff != "" || len(before) != 4 {
			t.Errorf("what is on (-before +after)\n%s", diff)
		}
		w.pass(5 * time.Minute)
		w.want()
		w.now(func() { w.targets[0] = Target{Name: "api"} })
		w.pass(time.Minute)
		w.want("[ops] target_held: api ended", "[ops] dead_letter: api ended")
		w.restart()
		w.pass(9 * time.Minute)
		w.want()
		w.pass(2 * time.Minute)
		w.want("[ops] decryption_failures: enc ended")
		w.pass(time.Hour)
		w.want("[ops] rule_error: r ended")
		if len(w.stored) != 0 || len(w.active()) != 0 {
			t.Errorf("left: %v %v", w.stored, w.active())
		}
	})
}

func TestWhatIsReportedWhileStoppingIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.die("api")
		w.stop()
		w.want("[ops] dead_letter: api began")
		w.start()
	})
}

func TestSilenceCountsFromBeforeARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.stop()
		w.set.Silence, w.heard = 2*time.Hour, time.Now().Add(-time.Hour)
		w.start()
		w.want()
		w.pass(time.Hour + time.Minute)
		w.want("[ops] silence: <nil> began")
	})
}

func TestAlarmIsToldWhenTheStoreWorksAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.now(func() { w.down = true })
		w.k.MustRoute(1, event.ID{2})
		w.pass(time.Minute)
		w.want()
		if n := strings.Count(w.log.String(), "level=ERROR msg=alarm"); n != 1 {
			t.Errorf("%d lines of the alarm: %s", n, &w.log)
		}
		if n := strings.Count(w.log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d lines that the store fails: %s", n, &w.log)
		}
		if a := w.active(); len(a) != 1 || a[0].Subject != "must_route[1]" {
			t.Errorf("active: %v", a)
		}
		w.now(func() { w.down = false })
		w.want("[ops] must_route: must_route[1] began")
		if len(w.stored) != 1 {
			t.Errorf("stored: %v", w.stored)
		}
	})
}

func TestAlarmAboutATargetGoesToTheOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.now(func() {
			w.set.To = []Recipient{{"ops", []outbox.Address{"ops"}}, {"mail", []outbox.Address{"mail.a", "mail.b"}}}
		})
		w.die("mail")
		w.pass(time.Second)
		w.die("ops")
		w.pass(time.Second)
		w.k.RuleError("ops", event.ID{}) // a rule of that name
		w.pass(time.Second)
		w.want("[ops] dead_letter: mail began", "[mail.a mail.b] dead_letter: ops began", "[ops mail.a mail.b] rule_error: ops began")
		w.now(func() { w.set.To = nil })
		w.die("other")
		w.pass(time.Second)
		w.want()
		if n := strings.Count(w.log.String(), "msg=alarm"); n != 4 {
			t.Errorf("%d lines: without anybody to tell, the log still has it\n%s", n, &w.log)
		}
	})
}

func TestGaugeHasEveryKindFromTheStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.die("a")
		w.die("b")
		w.pass(time.Second)
		want := `
			# HELP relay_alarm_active Alarms that are on, by kind: one for each target, rule or source it is about.
			# TYPE relay_alarm_active gauge
		`
		for _, kind := range []string{"backlog 0", "dead_letter 2", "decryption_failures 0", "must_route 0", "reload_failed 0", "rule_error 0", "silence 0", "target_held 0"} {
			name, n, _ := strings.Cut(kind, " ")
			want += fmt.Sprintf("relay_alarm_active{alarm=%q} %s\n", name, n)
		}
		if err := testutil.GatherAndCompare(w.reg, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.GatherAndLint(w.reg); err != nil || len(problems) > 0 {
			t.Errorf("lint: %v %v", problems, err)
		}
	})
}

func TestReportsOfAFloodTakeNoRoom(t *testing.T) {
	r := newReports()
	for i := range 100_000 {
		r.add(Trouble{ID: ID{RuleError, fmt.Sprint(i % 2000)}})
	}
	by, lost := r.take()
	if len(by) != mostReports || lost != 50_000 || by[ID{RuleError, "7"}].times != 50 {
		t.Errorf("%d kept, %d dropped", len(by), lost)
	}
}

func TestCommandsThatHelpCanBePasted(t *testing.T) {
	id := event.ID{1}
	for _, c := range []struct {
		t    Trouble
		path string
		want string
	}{
		{Trouble{ID: ID{DeadLetter, "api"}}, "", "invitation-relay deliveries list --target api --state dead"},
		{Trouble{ID: ID{TargetHeld, "api"}}, "", "invitation-relay targets release api"},
		{Trouble{ID: ID{Backlog, "api"}}, "", "invitation-relay deliveries list --target api --state pending"},
		{Trouble{ID: ID{MustRoute, "must_route[0]"}, Event: id}, "", "invitation-relay events show " + id.String()},
		{Trouble{ID: ID{RuleError, "r"}}, "", ""},
		{Trouble{ID: ID{Kind: ReloadFailed}}, "/etc/relay.yaml", "invitation-relay check -c /etc/relay.yaml"},
		{Trouble{ID: ID{Kind: ReloadFailed}}, "it's mine.yaml", `invitation-relay check -c 'it'\''s mine.yaml'`},
		{Trouble{ID: ID{DecryptionFailures, "enc"}}, "", "invitation-relay events list --refused --source enc"},
		{Trouble{ID: ID{Kind: Silence}}, "a;b.yaml", "invitation-relay doctor -c 'a;b.yaml'"},
	} {
		if got := command(c.t, c.path); got != c.want {
			t.Errorf("%s: %s, want %s", c.t.Kind, got, c.want)
		}
	}
}
