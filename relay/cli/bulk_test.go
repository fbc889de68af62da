package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBulkCountsFirstAndThenGoesThroughThePages(t *testing.T) {
	f := newFakeRelay(t).on("POST deliveries/retry",
		`{"matched":256,"changed":0,"busy":0,"next":"x"}`, `{"matched":44,"changed":0,"busy":0,"next":""}`,
		`{"matched":256,"changed":255,"busy":1,"next":"y"}`, `{"matched":44,"changed":42,"busy":2,"next":""}`)
	code, stdout, stderr := f.operate(t, "deliveries", "retry", "--target", "cases", "--yes")
	if code != 0 || stdout != "retried 297 deliveries; 3 left alone, an attempt was under way\n" || stderr != "" {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	want := []string{
		"POST deliveries/retry dry_run=true&limit=256&target=cases",
		"POST deliveries/retry cursor=x&dry_run=true&limit=256&target=cases",
		"POST deliveries/retry limit=256&target=cases",
		"POST deliveries/retry cursor=y&limit=256&target=cases",
	}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestBulkStopsAtTheLimit(t *testing.T) {
	f := newFakeRelay(t).on("POST events/replay", `{"matched":3,"changed":3,"failed":0,"next":"x"}`)
	code, stdout, _ := f.operate(t, "events", "replay", "--since", "1d", "--to", "a,b", "--limit", "3", "--yes")
	want := []string{"POST events/replay dry_run=true&limit=3&since=1d&targets=a,b", "POST events/replay limit=3&since=1d&targets=a,b"}
	if diff := cmp.Diff(want, f.asked); diff != "" || code != 0 || stdout != "replayed 3 events\n" {
		t.Errorf("exit %d, %sasked (-want +got):\n%s", code, stdout, diff)
	}
}

func TestBulkWithoutATerminalChangesNothingUnlessToldTo(t *testing.T) {
	f := newFakeRelay(t).on("POST deliveries/discard", `{"matched":1204,"changed":0,"busy":0,"next":""}`)
	discard := []string{"deliveries", "discard", "--target", "cases", "--state", "dead"}
	code, stdout, stderr := f.operate(t, discard...)
	if code != 2 || stdout != "" || !strings.Contains(stderr, "discard 1,204 deliveries?\n  hint: --yes") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, _ = f.operate(t, append(discard, "--dry-run")...)
	if code != 0 || stdout != "1,204 deliveries to discard\n" {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	for _, asked := range f.asked {
		if !strings.Contains(asked, "dry_run=true") {
			t.Errorf("asked %s", asked)
		}
	}
}

func TestBulkThatFailsMidwaySaysHowFarItCame(t *testing.T) {
	f := newFakeRelay(t).on("POST deliveries/retry",
		`{"matched":400,"changed":0,"busy":0,"next":""}`,
		`{"matched":256,"changed":256,"busy":0,"next":"y"}`, `503 the store takes no write now`)
	code, stdout, stderr := f.operate(t, "deliveries", "retry", "--target", "cases", "--yes")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "retry 400 deliveries, 256 of them done: the store takes no write now\n  hint: ") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestRefusedAgainIsAFailure(t *testing.T) {
	f := newFakeRelay(t).on("POST events/replay", `{"matched":3,"changed":2,"failed":1,"next":""}`)
	code, stdout, _ := f.operate(t, "events", "replay", "--refused", "--since", "1d", "--yes")
	if code != 1 || stdout != "replayed 2 events; 1 was refused again\n" || !strings.Contains(f.asked[1], "refused=true") {
		t.Errorf("exit %d, %s%v", code, stdout, f.asked)
	}
}

func TestWhatWasTakenBeforeIsNotSaidToBeReplayed(t *testing.T) {
	f := newFakeRelay(t).on("POST events/replay", `{"matched":3,"changed":1,"duplicates":2,"failed":0,"next":""}`)
	code, stdout, _ := f.operate(t, "events", "replay", "--refused", "--since", "1d", "--yes")
	if code != 0 || stdout != "replayed 1 event; 2 were taken before\n" {
		t.Errorf("exit %d, %s", code, stdout)
	}
}

func TestAnEventWithoutABodyIsNotSaidToBeRefused(t *testing.T) {
	f := newFakeRelay(t).on("POST events/replay", `{"matched":3,"changed":2,"duplicates":0,"failed":1,"next":""}`)
	code, stdout, _ := f.operate(t, "events", "replay", "--since", "1d", "--yes")
	if code != 1 || stdout != "replayed 2 events; 1 was not: the body is erased, or it could not be stored\n" {
		t.Errorf("exit %d, %s", code, stdout)
	}
}

func TestOneIDThatFailsDoesNotKeepTheOthersBack(t *testing.T) {
	f := newFakeRelay(t).on("POST events/"+otherEvent+"/replay", `{"id":"n-1","duplicate":false}`)
	code, stdout, stderr := f.operate(t, "events", "replay", anEvent, otherEvent)
	if code != 1 || stdout != otherEvent+" goes again as n-1\n" || !strings.Contains(stderr, "replay "+anEvent+": there is nothing with this id") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}
