package intake

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSendersTellWhatCameAndWhatCouldNotBeDecrypted(t *testing.T) {
	w := newWorld(t)
	w.do(202, request("/plain", `{"id":"a"}`))
	w.do(200, request("/plain", `{"id":"a"}`))
	w.do(422, request("/plain", `{}`))
	w.do(400, request("/enc", `{"id":"not encrypted"}`))
	w.do(404, request("/nowhere", ""))
	again, err := New(Config{Sources: twoSources(), Metrics: w.h.cfg.Metrics, Accept: w.accept, Now: w.h.cfg.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.h = again // a reload
	w.do(400, request("/enc", `{"id":"not encrypted"}`))
	want := []Sender{{Name: "enc", Heard: 2, Sealed: 2}, {Name: "plain", Heard: 3}}
	if diff := cmp.Diff(want, w.h.cfg.Metrics.Senders()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
