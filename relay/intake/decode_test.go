package intake

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/relaytest/racetest"
)

// One scan gives everything: members by exact name with the types rules want,
// and the event's own fields.
func TestDecodeTakesAnInvitationApart(t *testing.T) {
	f, err := Decode([]byte(` { "id":"i-1", "ticket":"t-1", "transaction_status":"REJECTED", "attempts":3,
		"full_name":"\u0041na \"x\" é", "cifcod":null, "score":0.5, "big":12345678901234567, "ok":true, "no":false,
		"data":{"a":[1,"b",null,{"c":[]}],"":{}}, "ID":"other" } `), invitations())
	if err != nil {
		t.Fatal(err)
	}
	want := Fields{
		Members: map[string]any{
			"id": "i-1", "ticket": "t-1", "transaction_status": "REJECTED", "attempts": 3,
			"full_name": `Ana "x" é`, "cifcod": nil, "score": 0.5, "big": 12345678901234567.0, "ok": true, "no": false,
			"data": map[string]any{"a": []any{1.0, "b", nil, map[string]any{"c": []any{}}}, "": map[string]any{}}, "ID": "other",
		},
		Subject: "i-1", Ticket: "t-1", Status: "REJECTED", UnknownMembers: 6,
	}
	if d := cmp.Diff(want, f); d != "" {
		t.Errorf("fields differ (-want +got):\n%s", d)
	}
}

// An event that was accepted under another schema can still be read.
func TestInvalidBodiesAreReadAsFarAsTheyGo(t *testing.T) {
	f, err := Decode([]byte(`{"id":1,"ticket":"t-1","attempts":1.5,"transaction_status":"REJECTED","x":[]}`), invitations())
	want := map[string]any{"id": 1.0, "ticket": "t-1", "attempts": 1.5, "transaction_status": "REJECTED", "x": []any{}}
	if d := cmp.Diff(want, f.Members); !errors.Is(err, ErrInvalid) || d != "" || f.Ticket != "t-1" {
		t.Errorf("%v, ticket %q (-want +got):\n%s", err, f.Ticket, d)
	}
	if f, err := Decode([]byte(`{"id":"a","x":`), invitations()); !errors.Is(err, ErrMalformed) || f.Members != nil {
		t.Errorf("malformed: %v, %v", f, err)
	}
}

// The first member of a role that is a text wins, in the order of the schema and
// not of the body.
func TestRolesTakeTheFirstThatIsThere(t *testing.T) {
	s := &Schema{Status: []string{"a", "b", "c"}, Subject: []string{"a"}}
	for body, want := range map[string]string{
		`{"c":"3","b":"2","a":"1"}`:      "1",
		`{"a":"1","b":"2","c":"3"}`:      "1",
		`{"c":"3","b":"2"}`:              "2",
		`{"a":"","b":null,"c":"3"}`:      "3",
		`{"a":1,"b":["x"],"c":"\u0033"}`: "3",
		`{"A":"1"}`:                      "",
		`{"x":{"a":"1"}}`:                "",
		`{"\u0061":"1"}`:                 "1",
	} {
		f, err := Decode([]byte(body), s)
		if err != nil || f.Status != want {
			t.Errorf("%s: status %q (%v), want %q", body, f.Status, err, want)
		}
	}
}

func TestWhatIsMalformedAndWhatIsInvalid(t *testing.T) {
	nested := func(n int) string {
		return `{"id":"a","x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"
	}
	objects := func(n int) string {
		return strings.Repeat(`{"id":`, n) + `"a"` + strings.Repeat("}", n)
	}
	for body, want := range map[string]*refusal{
		`{"id":"a"}`:                            nil,
		" \t\r\n{\"id\":\"a\"}\n":               nil,
		nested(63):                              nil,
		nested(64):                              refDeep,
		nested(20000):                           refDeep,
		objects(64):                             nil, // invalid below, for its id
		objects(65):                             refDeep,
		strings.Repeat("[", 50000):              refDeep,
		``:                                      refJSON,
		`  `:                                    refJSON,
		`{`:                                     refJSON,
		`{"id":"a"`:                             refJSON,
		`{"id":"a"}x`:                           refJSON,
		`{"id":"a"}{"id":"b"}`:                  refJSON,
		`{"id":"a"},`:                           refJSON,
		`{"id":"a",}`:                           refJSON,
		`{"id":"a" "b":1}`:                      refJSON,
		`{"id" "a"}`:                            refJSON,
		`{"id":}`:                               refJSON,
		`{:1}`:                                  refJSON,
		`{1:1}`:                                 refJSON,
		`{'id':'a'}`:                            refJSON,
		`{id:"a"}`:                              refJSON,
		`/**/{"id":"a"}`:                        refJSON,
		`{"id":"a","x":01}`:                     refJSON,
		`{"id":"a","x":+1}`:                     refJSON,
		`{"id":"a","x":1.}`:                     refJSON,
		`{"id":"a","x":.1}`:                     refJSON,
		`{"id":"a","x":1e}`:                     refJSON,
		`{"id":"a","x":NaN}`:                    refJSON,
		`{"id":"a","x":None}`:                   refJSON,
		`{"id":"a","x":tru}`:                    refJSON,
		`{"id":"a","x":"\x41"}`:                 refJSON,
		`{"id":"a","x":"\u00g0"}`:               refJSON,
		`{"id":"a","x":"\ud800"}`:               refJSON,
		`{"id":"a","x":"\udc00\ud800"}`:         refJSON,
		"{\"id\":\"a\",\"x\":\"\x00\"}":         refJSON,
		"{\"id\":\"a\",\"x\":\"\n\"}":           refJSON,
		"{\"id\":\"a\",\"x\":\"\xff\"}":         refJSON,
		"{\"id\":\"a\",\"\xc3\":1}":             refJSON,
		"{\"id\":\"a\",\"x\":\"\xed\xa0\x80\"}": refJSON, // a surrogate in UTF-8
		"{\"id\":\"a\",\"x\":\"\xc0\xaf\"}":     refJSON, // overlong
		"\xef\xbb\xbf{\"id\":\"a\"}":            refJSON, // a byte order mark, which targets would trip over
		"\xff\xfe{\x00}\x00":                    refJSON,
		`{"id":"a","id":"b"}`:                   refDouble,
		`{"id":"a","\u0069d":"b"}`:              refDouble,
		`{"id":"a","x":1,"x":1}`:                refDouble,
		`{"id":"a","x":[{"y":1,"y":2}]}`:        refDouble,
		`{"id":1,"id":2}`:                       refDouble, // broken syntax is worse than a wrong type
		`{"id":1`:                               refJSON,
		`{"id":1}}`:                             refJSON,
		`"x"`:                                   refNoObject,
		`null`:                                  refNoObject,
		`true`:                                  refNoObject,
		`1`:                                     refNoObject,
		`[]`:                                    refNoObject,
		`[{"id":"a"}]`:                          refNoObject,
		`[{"x":1,"x":2}]`:                       refDouble,
		`"x" "y"`:                               refJSON,
	} {
		_, err := Decode([]byte(body), invitations())
		if body == objects(64) {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("64 objects: %v", err)
			}
			continue
		}
		if want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%.60q: %v, want %v", body, err, want)
		}
	}
}

func TestUnknownIsCountedNotRefused(t *testing.T) {
	f, err := Decode([]byte(`{"id":"a","transaction_status":"MAYBE","invitation_state":"COMPLETED","x":1,"y":{"z":1}}`), invitations())
	if err != nil || f.UnknownMembers != 2 || f.UnknownValues != 1 {
		t.Errorf("%d unknown members, %d unknown values, %v", f.UnknownMembers, f.UnknownValues, err)
	}
	f, err = Decode([]byte(`{"x":1}`), new(Schema)) // a schema that documents nothing
	if err != nil || f.UnknownMembers != 0 {
		t.Errorf("%d unknown members, %v", f.UnknownMembers, err)
	}
	f, err = Decode([]byte(`{"id":"a","transaction_status":"REJECT\u0045D"}`), invitations())
	if err != nil || f.UnknownValues != 0 || f.Status != "REJECTED" {
		t.Errorf("with an escape: status %q, %d unknown values, %v", f.Status, f.UnknownValues, err)
	}
}

// What Decode returns stays what it is when the body is overwritten, and when
// the scanner goes on to other bodies.
func TestFieldsShareNoMemoryWithTheBody(t *testing.T) {
	s := invitations()
	body := []byte(testBody)
	f, err := Decode(body, s)
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(f)
	for i := range body {
		body[i] = '#'
	}
	if _, err := Decode([]byte(strings.Repeat(" ", 50)+testBody), s); err != nil {
		t.Fatal(err)
	}
	if after := fmt.Sprint(f); after != before {
		t.Errorf("fields became %s", after)
	}
}

// A refused body leaves nothing behind in the scanner that the next one meets.
func TestRefusalsLeaveNoTrace(t *testing.T) {
	s := invitations()
	want, err := Decode([]byte(testBody), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{``, `{"a":[[[`, `{"id":"x","id":`, `"`, strings.Repeat("[", 100), testBody + "x", `{"id":1,"ticket":"other"}`} {
		if _, err := Decode([]byte(bad), s); err == nil {
			t.Fatalf("%q was taken", bad)
		}
		got, err := Decode([]byte(testBody), s)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("after %q (-want +got):\n%s", bad, d)
		}
	}
}

// A schema may be used by many at once, from its first use on.
func TestDecodeIsSafeForConcurrentUse(t *testing.T) {
	s := invitations()
	done := make(chan error)
	for i := range 8 {
		go func() {
			var err error
			for n := range 200 {
				id := fmt.Sprintf("i-%d-%d", i, n)
				f, e := Decode(bytes.ReplaceAll([]byte(testBody), []byte("i-1"), []byte(id)), s)
				if e != nil || f.Subject != id {
					err = fmt.Errorf("subject %q, want %q (%w)", f.Subject, id, e)
				}
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Known names and values cost no allocation: what remains is the map, one copy of
// the body, and a word for each string that is a person's own.
func TestDecodeAllocatesLittle(t *testing.T) {
	if testing.CoverMode() != "" || racetest.Watched {
		t.Skip("instrumented code allocates more")
	}
	s, body := invitations(), []byte(invitation)
	if n := testing.AllocsPerRun(1000, func() { _, _ = Decode(body, s) }); n > 7 {
		t.Errorf("%v allocations, want at most 7", n)
	}
}

func TestSamplesDecodeAsTheReadmeSays(t *testing.T) {
	tickets := &Schema{Required: []string{"ticket", "event"}, Subject: []string{"ticket"}, Ticket: []string{"ticket"}, Status: []string{"flow_status", "status"}}
	for name, want := range map[string]error{
		"accepted.json": nil, "rejected.json": nil, "slack-name.json": nil, "obrien-name.json": nil, "odd-name.json": nil,
		"null-name.json": nil, "attempts-decimal.json": nil, "attempts-string.json": ErrInvalid, "extra-keys.json": nil,
		"unknown-state.json": nil, "dashboard-test.json": ErrInvalid,
		"ticket-in-progress.json": ErrInvalid, "ticket-rejected.json": ErrInvalid, "older-completed.json": ErrInvalid,
	} {
		f, err := Decode(sample(t, name), invitations())
		if !errors.Is(err, want) {
			t.Errorf("%s as an invitation: %v, want %v", name, err, want)
		}
		if _, attempts := f.Members["attempts"].(int); err == nil && (f.Subject == "" || !attempts) {
			t.Errorf("%s: subject %q, attempts %v", name, f.Subject, f.Members["attempts"])
		}
	}
	for name, status := range map[string]string{"ticket-in-progress.json": "IN_PROGRESS", "ticket-rejected.json": "REJECTED", "older-completed.json": "VERIFIED"} {
		if f, err := Decode(sample(t, name), tickets); err != nil || f.Subject == "" || f.Status != status {
			t.Errorf("%s as a ticket: subject %q, status %q, %v", name, f.Subject, f.Status, err)
		}
	}
}
