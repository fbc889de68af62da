package event_test

import (
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest/alloctest"
)

const benchBody = `{"id":"8d2c9a0e-6f7b-4c35-9d1e-2b7a4c1f0e55","invitation_state":"COMPLETED","cifcod":"C-100234",` +
	`"full_name":"Jon Doe","ticket":"3f0b7c52-91de-4f4a-8a57-0c6c1f2d9b10","transaction_status":"REJECTED","attempts":3}`

func BenchmarkMaskBody(b *testing.B) {
	body, fields := []byte(benchBody), []string{"full_name", "cifcod"}
	b.ReportAllocs()
	for b.Loop() {
		if event.MaskBody(body, fields) == nil {
			b.Fatal("not masked")
		}
	}
}

func BenchmarkMask(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		event.Mask("Jon Doe")
	}
}

func TestAnIDAllocatesNothing(t *testing.T) {
	var ids event.IDs
	now := time.Now()
	alloctest.AtMost(t, 0, func() { ids.New(now) })
}

func TestMaskingABodyAllocatesLittle(t *testing.T) {
	body, fields := []byte(benchBody), []string{"full_name", "cifcod"}
	alloctest.AtMost(t, 32, func() { event.MaskBody(body, fields) })
}
