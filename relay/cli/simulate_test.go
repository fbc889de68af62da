package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// simulate runs the command as Run does, and returns what it printed.
func simulate(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	w, out, errs := testWorld(t)
	root := newRoot(w)
	root.SetArgs(append([]string{"simulate"}, args...))
	code = exitCode(root.ExecuteContext(t.Context()), errs)
	return code, out.String(), errs.String()
}

// write makes a file in a folder of the test.
func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// timeless hides what differs from run to run.
func timeless(s string) string {
	fields := strings.Fields(s)
	for i, f := range fields {
		if f == "ms" && i > 0 {
			fields[i-1] = "0"
		}
	}
	return strings.Join(fields, " ")
}

func TestToAlonePostsOneSampleWithoutAConfig(t *testing.T) {
	d := newRelayDouble(t, nil)
	t.Chdir(t.TempDir()) // no config here
	code, stdout, stderr := simulate(t, "--to", d.URL+"/webhooks/invitation")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	if got, want := timeless(stdout), "202 stored 019a0000-0000-7000-8000-000000000001 0 ms rejected"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if want := "POST " + d.URL + "/webhooks/invitation, without a user, plain\n"; stderr != want {
		t.Errorf("stderr %q, want %q", stderr, want)
	}
	w, _, _ := testWorld(t)
	if got := d.all(); len(got) != 1 || !bytes.Equal(got[0].body, mustLoad(t, w, "rejected").body) {
		t.Errorf("%d messages, not the sample as it is", len(got))
	}
}

func TestFlagsGiveUserPasswordAndKey(t *testing.T) {
	d := newRelayDouble(t, nil)
	code, stdout, stderr := simulate(t, "--to", d.URL+"/x", "--sample", "accepted", "--user", "preventor",
		"--password-file", write(t, "password", "pass word\n"), "--key-file", write(t, "key", aKey+"\r\n"))
	if code != 0 || !strings.Contains(stderr, "as preventor, encrypted") {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	m := d.all()[0]
	r := http.Request{Header: m.header}
	if u, p, _ := r.BasicAuth(); u != "preventor" || p != "pass word" {
		t.Errorf("signed in as %q with %q", u, p)
	}
	if got := decrypted(t, aKey, m); !bytes.Contains(got, []byte(`"ACCEPTED"`)) {
		t.Errorf("decrypted to %s", got)
	}
}

func TestCountedMessagesAreFreshAndDuplicatesAreNot(t *testing.T) {
	for _, args := range [][]string{
		{"--count", "3", "--duplicates", "1"},
		{"--count", "3", "--duplicates"}, // alone it is one
		{"--count=3", "--duplicates=1", "--rate", "5000/s"},
	} {
		d := newRelayDouble(t, nil)
		code, stdout, stderr := simulate(t, append(args, "--to", d.URL)...)
		if code != 0 || strings.Count(stdout, "stored") != 6 {
			t.Fatalf("%v: exit %d\n%s%s", args, code, stdout, stderr)
		}
		times := map[string]int{}
		for _, m := range d.all() {
			times[string(m.body)]++
		}
		if len(times) != 3 {
			t.Errorf("%v: %d different messages, want 3", args, len(times))
		}
		for body, n := range times {
			if n != 2 {
				t.Errorf("%v: sent %d times, want twice: %s", args, n, body)
			}
		}
	}
}

func TestDuplicateOfAnEarlierRunIsExplained(t *testing.T) {
	d := newRelayDouble(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"x","duplicate":true}`) })
	code, stdout, stderr := simulate(t, "--to", d.URL)
	if code != 0 || timeless(stdout) != "200 duplicate x 0 ms rejected" || !strings.Contains(stderr, "--fresh") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	simulate(t, "--to", d.URL, "--fresh")
	if all := d.all(); bytes.Equal(all[0].body, all[1].body) {
		t.Error("--fresh sent the same again")
	}
}

func TestManyMessagesAreSummedUp(t *testing.T) {
	var n int
	var mu sync.Mutex
	d := newRelayDouble(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		i := n
		mu.Unlock()
		switch {
		case i > 90:
			refusing(http.StatusServiceUnavailable, "cannot store now")(w, r)
		case i > 60:
			_, _ = io.WriteString(w, `{"id":"x","duplicate":true}`)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
	code, stdout, stderr := simulate(t, "--to", d.URL, "--count", "100")
	if code != 1 || !strings.Contains(stdout, ": 30 × 200 OK, 60 × 202 Accepted, 10 × 503 Service Unavailable; 30 duplicates\n") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if got := strings.Count(stdout, "cannot store now"); got != maxBad {
		t.Errorf("%d refusals shown, want %d", got, maxBad)
	}
	if !strings.Contains(stderr, "10 messages were not taken\n  hint: ") {
		t.Errorf("stderr: %s", stderr)
	}
}

func TestMessagesLeaveAtTheRateWhateverTheAnswersTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := testWorld(t)
		var mu sync.Mutex
		var at []time.Duration
		start := time.Now()
		v := newVendor("http://relay.example/")
		v.client.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			at = append(at, time.Since(start))
			mu.Unlock()
			time.Sleep(3 * time.Second)
			return &http.Response{StatusCode: 202, Body: http.NoBody}, nil
		})
		s := &simulation{count: 10, rate: "2/s"}
		pace, err := s.check()
		if err != nil {
			t.Fatal(err)
		}
		r := newReport(w, s)
		s.send(t.Context(), v, sample{body: []byte(`{"id":"i"}`)}, pace, r)
		var want []time.Duration
		for i := range 10 {
			want = append(want, time.Duration(i)*500*time.Millisecond)
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("left at (-want +got):\n%s", diff)
		}
		if err := r.verdict(false); err != nil || len(r.took) != 10 {
			t.Errorf("%v, %d answers", err, len(r.took))
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRefusalIsShownWithAHintAndFails(t *testing.T) {
	for status, hint := range map[int]string{
		400: "a source with keys takes no plain body",
		401: "user name and password",
		403: "allow_from",
		404: "no source has this path",
		413: "max_body",
		422: "preset",
		429: "wait a minute",
		503: "/readyz",
		307: "redirects are not followed",
		418: "is this the relay's webhook listener?",
	} {
		d := newRelayDouble(t, refusing(status, "a fixed sentence"))
		code, stdout, stderr := simulate(t, "--to", d.URL)
		if code != 1 || !strings.HasPrefix(timeless(stdout), fmt.Sprintf("%d refused a fixed sentence 0 ms rejected", status)) {
			t.Errorf("%d: exit %d, %s", status, code, stdout)
		}
		if !strings.Contains(stderr, "the message was not taken\n  hint: ") || !strings.Contains(stderr, hint) {
			t.Errorf("%d: no hint of %q in %s", status, hint, stderr)
		}
	}
	d := newRelayDouble(t, refusing(400, "the body could not be read"))
	_, _, stderr := simulate(t, "--to", d.URL, "--key-file", write(t, "key", aKey))
	if !strings.Contains(stderr, "is it the source's key") {
		t.Errorf("no hint at the key: %s", stderr)
	}
}

func TestRelayThatIsNotThereIsSaid(t *testing.T) {
	d := newRelayDouble(t, nil)
	d.Close()
	code, stdout, stderr := simulate(t, "--to", d.URL)
	if code != 1 || !strings.HasPrefix(stdout, "no answer") || !strings.Contains(stderr, "connection refused\n  hint: is the relay running?") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestAnswersAsJSONAreALineEach(t *testing.T) {
	d := newRelayDouble(t, nil)
	_, stdout, _ := simulate(t, "--to", d.URL, "--count", "25", "--json")
	lines := slices.Collect(strings.Lines(stdout))
	if len(lines) != 25 {
		t.Fatalf("%d lines\n%s", len(lines), stdout)
	}
	var got line
	if err := json.Unmarshal([]byte(lines[24]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Millis <= 0 {
		t.Errorf("took %v ms", got.Millis)
	}
	got.Millis = 0
	if diff := cmp.Diff(line{Sample: "rejected", Status: 202, ID: "019a0000-0000-7000-8000-000000000001"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListNamesTheSamples(t *testing.T) {
	code, stdout, stderr := simulate(t, "--list")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "\nrejected\n") || !strings.Contains(stdout, "\nencrypted/iv-15\n") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}
