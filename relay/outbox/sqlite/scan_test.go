package sqlite

import (
	"math"
	"slices"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestListOfOneEventSearchesNothing(t *testing.T) {
	var ids event.IDs
	e := newEntry(&ids, "a")
	sc := &scanner{f: outbox.Filter{Event: e.Event.ID, Ticket: e.Event.Ticket, State: "pending"}} // no transaction: a query would panic
	if seqs, more, err := sc.next(t.Context(), math.MaxInt64); !slices.Equal(seqs, []int64{e.Event.ID.Seq()}) || more || err != nil {
		t.Errorf("found %v, more %t (%v), want the event alone", seqs, more, err)
	}
	if seqs, more, err := sc.next(t.Context(), e.Event.ID.Seq()); len(seqs) > 0 || more || err != nil {
		t.Errorf("after it there are %v, more %t (%v), want nothing", seqs, more, err)
	}
}
