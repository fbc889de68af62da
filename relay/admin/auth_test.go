package admin

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"
)

// twoUsers are olga, operator, right-o, and vera, viewer, right-v.
func twoUsers(t *testing.T) []User {
	t.Helper()
	hash := func(password string) string {
		h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return string(h)
	}
	return []User{{"olga", hash("right-o"), Operator}, {"vera", hash("right-v"), Viewer}}
}

func signIn(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func from(address string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = address }
}

func guarded(t *testing.T, now func() time.Time) *bench {
	t.Helper()
	users := twoUsers(t)
	return newBench(t, func(c *Config) {
		c.Users = func() []User { return users }
		c.Reload = func(context.Context) error { return nil }
		if now != nil {
			c.Now = now
		}
	})
}

func TestRolesDecideWhoMayDoWhat(t *testing.T) {
	b := guarded(t, nil)
	for _, c := range []struct {
		method, path, user, password string
		status                       int
	}{
		{"GET", "/livez", "", "", 200},
		{"GET", "/readyz", "", "", 200},
		{"GET", "/metrics", "", "", 401},
		{"GET", "/api/v1/events", "", "", 401},
		{"GET", "/nowhere", "", "", 401},
		{"POST", "/-/reload", "", "", 401},
		{"GET", "/metrics", "vera", "right-v", 200},
		{"GET", "/api/v1/events", "vera", "right-v", 200},
		{"GET", "/nowhere", "vera", "right-v", 404},
		{"POST", "/-/reload", "vera", "right-v", 403},
		{"GET", "/api/v1/events", "olga", "right-o", 200},
		{"POST", "/-/reload", "olga", "right-o", 200},
		{"GET", "/api/v1/events", "olga", "right-v", 401},
		{"GET", "/api/v1/events", "olga", "", 401},
		{"GET", "/api/v1/events", "Olga", "right-o", 401},
		{"GET", "/api/v1/events", "nobody", "right-o", 401},
	} {
		w := b.ask(c.method, c.path, func(r *http.Request) {
			if c.user != "" {
				r.SetBasicAuth(c.user, c.password)
			}
		})
		if w.Code != c.status {
			t.Errorf("%s %s as %q with %q: %d, want %d", c.method, c.path, c.user, c.password, w.Code, c.status)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (c.status == 401) {
			t.Errorf("%s %s: %d with WWW-Authenticate %q", c.method, c.path, c.status, challenge)
		}
	}
}

func TestUnknownRoleMayOnlyLook(t *testing.T) {
	users := twoUsers(t)
	users[0].Role = "admin"
	b := newBench(t, func(c *Config) {
		c.Users = func() []User { return users }
		c.Reload = func(context.Context) error { return nil }
	})
	wantProblem(t, b.ask("POST", "/-/reload", signIn("olga", "right-o")), http.StatusForbidden)
}

// doorOf is a door whose comparisons are counted by the hash compared with.
func doorOf(users *[]User, now func() time.Time) (*door, *[]string) {
	var compared []string
	return &door{
		users: func() []User { return *users }, now: now, slot: make(chan struct{}, 1), log: newSilent(),
		compare: func(hash, password []byte) error {
			compared = append(compared, string(hash))
			return bcrypt.CompareHashAndPassword(hash, password)
		},
	}, &compared
}

func (d *door) try(user, password, address string) int {
	r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	r.RemoteAddr = address
	r.SetBasicAuth(user, password)
	_, err := d.identify(context.Background(), r, d.users())
	if err == nil {
		return http.StatusOK
	}
	return problemOf(err).Status
}

func TestRightPasswordIsHashedOnceAMinute(t *testing.T) {
	users, now := twoUsers(t), noon
	d, compared := doorOf(&users, func() time.Time { return now })
	for range 5 {
		if got := d.try("vera", "right-v", "192.0.2.1:1000"); got != 200 {
			t.Fatal(got)
		}
	}
	if len(*compared) != 1 {
		t.Errorf("hashed %d times, want once", len(*compared))
	}
	now = now.Add(rememberFor)
	d.try("vera", "right-v", "192.0.2.1:1000")
	if len(*compared) != 2 {
		t.Errorf("hashed %d times, want again after a minute", len(*compared))
	}
	if got := d.try("vera", "right-o", "192.0.2.1:1000"); got != 401 {
		t.Errorf("a wrong password beside a remembered one: %d", got)
	}
}

func TestUserTakenOutIsOutAtOnce(t *testing.T) {
	users := twoUsers(t)
	all := users
	d, _ := doorOf(&users, func() time.Time { return noon })
	d.try("vera", "right-v", "192.0.2.1:1000")
	users = all[:1]
	if got := d.try("vera", "right-v", "192.0.2.1:1000"); got != 401 {
		t.Errorf("removed: %d", got)
	}
	users = []User{all[0], {"vera", all[0].PasswordHash, Viewer}}
	if got := d.try("vera", "right-v", "192.0.2.1:1000"); got != 401 {
		t.Errorf("with a new password: %d", got)
	}
}

func TestUnknownUserCostsWhatAKnownOneDoes(t *testing.T) {
	users := twoUsers(t)
	slow, err := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost+1)
	if err != nil {
		t.Fatal(err)
	}
	users = append(users, User{"sven", string(slow), Viewer})
	d, compared := doorOf(&users, func() time.Time { return noon })
	if got := d.try("nobody", "x", "192.0.2.1:1000"); got != 401 {
		t.Errorf("unknown user with the password of another: %d", got)
	}
	if diff := cmp.Diff([]string{string(slow)}, *compared); diff != "" {
		t.Errorf("compared with (-want +got):\n%s", diff)
	}
}

func TestGuessingIsBrakedForItsAddressOnly(t *testing.T) {
	users, now := twoUsers(t), noon
	d, compared := doorOf(&users, func() time.Time { return now })
	if got := d.try("vera", "right-v", "192.0.2.1:1"); got != 200 {
		t.Fatal(got)
	}
	for i := range maxFailures {
		if got := d.try("olga", "guess-"+strconv.Itoa(i), "192.0.2.1:"+strconv.Itoa(1000+i)); got != 401 {
			t.Fatalf("guess %d: %d", i, got)
		}
	}
	before := len(*compared)
	if got := d.try("olga", "right-o", "192.0.2.1:2000"); got != 429 {
		t.Errorf("the right password after ten wrong ones: %d, want 429", got)
	}
	if len(*compared) != before {
		t.Error("a braked request was hashed")
	}
	if got := d.try("vera", "right-v", "192.0.2.1:2000"); got != 200 {
		t.Errorf("who was signed in from the same address: %d, want 200", got)
	}
	if got := d.try("olga", "right-o", "192.0.2.2:2000"); got != 200 {
		t.Errorf("from another address: %d, want 200", got)
	}
	now = now.Add(brakeFor)
	if got := d.try("nobody", "x", "192.0.2.1:2000"); got != 401 {
		t.Errorf("a minute later: %d, want another try", got)
	}
}

func TestBrakedAnswerSaysHowLong(t *testing.T) {
	now := noon
	b := guarded(t, func() time.Time { return now })
	for range maxFailures {
		b.ask("GET", "/metrics", signIn("olga", "wrong"), from("198.51.100.7:99"))
	}
	now = now.Add(20 * time.Second)
	w := b.ask("GET", "/metrics", signIn("olga", "right-o"), from("198.51.100.7:99"))
	wantProblem(t, w, http.StatusTooManyRequests)
	if got := w.Header().Get("Retry-After"); got != "40" {
		t.Errorf("Retry-After is %q, want 40", got)
	}
	wantStatus(t, b.ask("GET", "/livez", from("198.51.100.7:99")), http.StatusOK)
}

func TestNeighboursOfAnIPv6AddressAreOneAddress(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.1:1":               "192.0.2.1/32",
		"[::ffff:192.0.2.1]:1":      "192.0.2.1/32",
		"[2001:db8:1:2:3:4:5:6]:99": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:99":         "fe80::/64",
		"@":                         "invalid Prefix",
	} {
		if got := addressOf(&http.Request{RemoteAddr: a}).String(); got != want {
			t.Errorf("%s is %s, want %s", a, got, want)
		}
	}
}

func TestMemoryOfStrangersIsBounded(t *testing.T) {
	var b brake
	for i := range maxAddresses {
		b.failed(addressOf(&http.Request{RemoteAddr: "[2001:db8:" + strconv.FormatInt(int64(i), 16) + "::1]:1"}), noon)
	}
	if b.wait(addressOf(&http.Request{RemoteAddr: "192.0.2.1:1"}), noon) <= 0 {
		t.Error("one more address may try, and would be remembered")
	}
	if b.wait(addressOf(&http.Request{RemoteAddr: "192.0.2.1:1"}), noon.Add(brakeFor)) > 0 {
		t.Error("it waits for ever")
	}
	var d door
	d.now = func() time.Time { return noon }
	for i := range 3 * maxRemembered {
		d.remember([32]byte{byte(i), byte(i >> 8)})
	}
	if len(d.remembered) > maxRemembered {
		t.Errorf("%d remembered", len(d.remembered))
	}
}

func TestGuessesSentAtOnceAreBrakedToo(t *testing.T) {
	users := twoUsers(t)
	d, compared := doorOf(&users, func() time.Time { return noon })
	var wg sync.WaitGroup
	for i := range 10 * maxFailures {
		wg.Go(func() { d.try("olga", "guess-"+strconv.Itoa(i), "192.0.2.1:1") })
	}
	wg.Wait()
	if len(*compared) != maxFailures {
		t.Errorf("%d passwords were hashed, want %d", len(*compared), maxFailures)
	}
}
