package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRulesAreShownAsExplainShowsThem(t *testing.T) {
	var rule ruleItem
	err := json.Unmarshal([]byte(`{"name":"risky","verdict":"error","when":"a && b < 1","parts":[
		{"text":"a && b < 1","depth":0,"values":[],"evaluated":false,"failed":true},
		{"text":"a == 2","depth":1,"values":[true],"evaluated":true,"failed":false},
		{"text":"a","depth":2,"values":[2],"evaluated":true,"failed":false},
		{"text":"b < 1","depth":1,"values":[],"evaluated":false,"failed":true},
		{"text":"b","depth":2,"values":[null],"evaluated":true,"failed":false}]}`), &rule)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	newPage(&out).decided(rule)
	want := `rule risky: error, it could not be evaluated
  a && b < 1   failed
    a == 2     true
      a        2
    b < 1      failed: it has no value for this event
      b        null
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPartsAtOddDepthsAreStillATree(t *testing.T) {
	for _, depths := range [][]int{{3, 9, -1, 0}, {0}, nil} {
		var list []partItem
		for _, d := range depths {
			list = append(list, partItem{Text: "x", Depth: d})
		}
		if whole := partsOf(list); (whole == nil) != (len(list) == 0) {
			t.Errorf("%v: %v", depths, whole)
		}
	}
}

func TestDeliveryTellsItsHistoryAndWhatHelps(t *testing.T) {
	const id = anEvent + ".risk-slack"
	item := `{"id":"` + id + `","event_id":"` + anEvent + `","target":"risk-slack","state":"STATE","attempts":2,"last_reason":"too old","history":[
		{"at":"2026-11-23T02:14:00Z","number":1,"outcome":"held","status":404,"duration_ms":12.5,"tries":1,"reason":"the hook is gone","state":"pending"},
		{"at":"2026-11-23T02:20:00Z","number":1,"outcome":"","reason":"released by hand","state":"pending"},
		{"at":"2026-11-23T02:21:00Z","number":2,"outcome":"retry","status":503,"duration_ms":3,"tries":3,"state":"STATE"}]}`
	for state, want := range map[string]string{
		"delivered": "its event: invitation-relay events show " + anEvent,
		"dead":      "deliveries retry " + id,
		"pending":   "targets release risk-slack",
	} {
		f := newFakeRelay(t).on("GET deliveries/"+id, strings.ReplaceAll(item, "STATE", state)).
			on("GET targets", `{"items":[{"name":"risk-slack","held":true}],"next":""}`)
		code, stdout, stderr := f.operate(t, "deliveries", "show", id)
		if code != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("%s: exit %d\n%s%s", state, code, stdout, stderr)
		}
		at := time.Date(2026, 11, 23, 2, 14, 0, 0, time.UTC).Local().Format("2006-01-02 15:04:05")
		for _, line := range []string{
			"  " + at + "  attempt 1: held (404, 12.5 ms)\n    the hook is gone\n",
			"  pending\n    released by hand\n",
			"  attempt 2: retry (503, 3.0 ms, 3 tries)\n",
		} {
			if !strings.Contains(stdout, line) {
				t.Errorf("%s: no %q in\n%s", state, line, stdout)
			}
		}
	}
}

func TestBodyIsShownWholeOnlyWhenAsked(t *testing.T) {
	f := newFakeRelay(t).on("GET events/"+anEvent, `{"id":"`+anEvent+`","source":"p","body":{"a":"x\u001b"},"body_shown":"masked","rules":[],"deliveries":[]}`)
	_, stdout, _ := f.operate(t, "events", "show", anEvent)
	if !strings.Contains(stdout, "body, masked") || strings.Contains(stdout, "\x1b") || !strings.Contains(stdout, "It goes to no target.") {
		t.Errorf("%q", stdout)
	}
	f.operate(t, "events", "show", anEvent, "--body")
	if diff := cmp.Diff([]string{"GET events/" + anEvent, "GET events/" + anEvent + " body=full"}, f.asked); diff != "" {
		t.Error(diff)
	}
}
