package alarm

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/outbox"
)

// TestAlarmIsToldWhenItBeginsAndWhenItEnds: each row is a sequence of looks, as
// "minutes:seconds" and + when the trouble is there; want is when people are told.
func TestAlarmIsToldWhenItBeginsAndWhenItEnds(t *testing.T) {
	for _, c := range []struct{ name, looks, want string }{
		{"trouble that lasts is told once", "0:00+ 0:05+ 5:00+ 60:00+ 999:00+", "0:00 began"},
		{"its end is told when it has been gone for a while", "0:00+ 1:00 1:05 1:29 1:30 1:35 90:00", "0:00 began, 1:30 ended"},
		{"what returns at once is one alarm", "0:00+ 1:00 1:20+ 2:00 2:10+ 3:00 3:30 3:35", "0:00 began, 3:30 ended"},
		{"what returns soon is told when the gap is over", "0:00+ 1:00 1:30 2:00+ 5:00+ 9:59+ 10:00+ 10:05+", "0:00 began, 1:30 ended, 10:00 began"},
		{"what is gone again by then is not told", "0:00+ 1:00 1:30 2:00+ 3:00 9:00+ 9:30 10:00 10:05 30:00", "0:00 began, 1:30 ended"},
		{"flapping rings once a gap", "0:00+ 1:00 1:30 2:00+ 3:00 4:00+ 5:00 6:00+ 7:00 8:00+ 10:00+ 11:00 11:30 12:00+ 13:00 19:00+ 20:00+", "0:00 began, 1:30 ended, 10:00 began, 11:30 ended, 20:00 began"},
		{"what returns later is told at once", "0:00+ 1:00 1:30 10:30+ 10:35+", "0:00 began, 1:30 ended, 10:30 began"},
		{"nothing wrong, nothing told", "0:00 1:00 60:00", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, start, got := board{}, time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC), []string{}
			for look := range strings.FieldsSeq(c.looks) {
				at, wrong := strings.CutSuffix(look, "+")
				var m, s int
				if _, err := fmt.Sscanf(at, "%d:%d", &m, &s); err != nil {
					t.Fatal(err)
				}
				now := start.Add(time.Duration(m)*time.Minute + time.Duration(s)*time.Second)
				var found []Trouble
				if wrong {
					found = []Trouble{{ID: ID{TargetHeld, "ops"}, Since: now}}
				}
				b.see(now, found, func(ID) string { return "" })
				for _, n := range b.news(now) {
					got = append(got, at+map[bool]string{true: " began", false: " ended"}[n.began])
					n.tell(now)
				}
			}
			if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAlarmThatCouldNotBeToldIsTriedAgainUnlessItIsOver(t *testing.T) {
	b, now := board{}, time.Now()
	why := func(ID) string { return "" }
	wrong := []Trouble{{ID: ID{Backlog, "api"}, Since: now, Reason: "first"}}
	b.see(now, wrong, why)
	if n := b.news(now); len(n) != 1 || n[0].Since != now {
		t.Fatalf("%v", n)
	}
	later := now.Add(time.Minute)
	b.see(later, []Trouble{{ID: ID{Backlog, "api"}, Since: later, Reason: "second"}}, why)
	if n := b.news(later); len(n) != 1 || !n[0].Since.Equal(now) || n[0].Reason != "second" {
		t.Errorf("%+v, want the newest reason, since the beginning", n)
	}
	b.see(later, nil, why)
	if n := b.news(later.Add(time.Hour)); len(n) != 0 || len(b.active()) != 0 || len(b) != 0 {
		t.Errorf("nobody was told of it, and now of %v", n)
	}
}

func TestClockSetBackDelaysNoAlarm(t *testing.T) {
	b, now := board{}, time.Now()
	wrong, why := []Trouble{{ID: ID{Kind: Silence}, Since: now}}, func(ID) string { return "" }
	b.see(now, wrong, why)
	b.news(now)[0].tell(now)
	b.see(now, nil, why)
	back := now.Add(-24 * time.Hour)
	b.see(back, nil, why)
	if n := b.news(back); len(n) != 1 || n[0].began {
		t.Fatalf("%v, want the end", n)
	}
	b.news(back)[0].tell(back)
	b.see(back, wrong, why)
	if n := b.news(back); len(n) != 1 || !n[0].began {
		t.Errorf("%v, want the beginning", n)
	}
}

func TestWhatTheStoreKnowsFollowsWhatWasTold(t *testing.T) {
	b, now := board{}, time.Now()
	why := func(ID) string { return "" }
	b.see(now, []Trouble{{ID: ID{RuleError, "r"}, Since: now, Reason: "why"}}, why)
	if n := b.unsaved(); len(n) != 0 {
		t.Errorf("%v is to be noted before it was told", n)
	}
	b.news(now)[0].tell(now)
	u := b.unsaved()
	if len(u) != 1 || u[0].record() != (outbox.Alarm{Kind: RuleError, Subject: "r", Since: now, Reason: "why"}) {
		t.Fatalf("%v", u)
	}
	u[0].stored = true
	b.see(now, nil, why)
	later := now.Add(settle)
	b.news(later)[0].tell(later)
	if u := b.unsaved(); len(u) != 1 || u[0].record() != (outbox.Alarm{Kind: RuleError, Subject: "r"}) {
		t.Errorf("%v, want it removed", u)
	}
}

func TestDecryptionIsTroubleFromFiveFailuresAndMoreThanHalf(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps [][2]float64 // heard, sealed in each minute
		want  string
	}{
		{"four of four", [][2]float64{{4, 4}}, "-"},
		{"five of five", [][2]float64{{5, 5}}, "+"},
		{"five of ten", [][2]float64{{10, 5}}, "-"},
		{"over minutes", [][2]float64{{2, 2}, {2, 2}, {1, 1}}, "--+"},
		{"forgotten after ten minutes", [][2]float64{{5, 5}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}, "++++++++++--"},
		{"the key is mended", [][2]float64{{5, 5}, {5, 0}}, "+-"},
		{"one in a while", [][2]float64{{1, 1}, {}, {}, {1, 1}, {}, {}, {1, 1}, {}, {}, {1, 1}, {}, {}, {1, 1}}, "-------------"},
	} {
		w, now, s, got := window{}, time.Now(), Sender{}, ""
		w.add(now, s)
		for _, step := range c.steps {
			now = now.Add(time.Minute)
			s.Heard, s.Sealed = s.Heard+step[0], s.Sealed+step[1]
			got += map[bool]string{true: "+", false: "-"}[w.add(now, s)]
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	w, now := window{}, time.Now()
	for range 100_000 {
		now = now.Add(time.Second)
		w.add(now, Sender{})
	}
	if n := len(w.counts); n > 130 {
		t.Errorf("it remembers %d counts", n)
	}
}
