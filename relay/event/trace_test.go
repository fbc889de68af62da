package event_test

import (
	"encoding/binary"
	"testing"

	"invitation-relay/relay/event"
)

func TestTraceAndSpanAreMadeOfTheIDAlone(t *testing.T) {
	var ids event.IDs
	a, b := ids.New(noon), ids.New(noon)
	if again, err := event.ParseID(a.String()); err != nil || again.Trace() != a.Trace() || again.Span() != a.Span() {
		t.Errorf("the id read again has another trace or span (%v)", err)
	}
	if a.Trace() == b.Trace() || a.Span() == b.Span() || a.Trace() == [16]byte{} || a.Span() == [8]byte{} {
		t.Errorf("%x %x and %x %x: want distinct ones, none zero", a.Trace(), a.Span(), b.Trace(), b.Span())
	}
}

func TestASamplerThatKeepsATenthKeepsAboutATenthOfTheTraces(t *testing.T) {
	var ids event.IDs
	kept := 0
	for range 10000 {
		trace := ids.New(noon).Trace()
		if binary.BigEndian.Uint64(trace[8:])>>1 < 1<<63/10 { // as the SDK decides
			kept++
		}
	}
	if kept < 800 || kept > 1200 {
		t.Errorf("kept %d of 10000", kept)
	}
}
