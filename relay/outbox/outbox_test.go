package outbox_test

import (
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestAddressNamesATargetAndARecipient(t *testing.T) {
	for address, want := range map[outbox.Address][2]string{
		outbox.AddressOf("case-api", ""):      {"case-api", ""},
		outbox.AddressOf("archive", "0f3a9c"): {"archive", "0f3a9c"},
	} {
		if got := [2]string{address.Target(), address.Recipient()}; got != want {
			t.Errorf("%s is %v, want %v", address, got, want)
		}
	}
}

// A delivery id comes from a URL.
func FuzzDeliveryIDIsReadAsItIsWritten(f *testing.F) {
	id := new(event.IDs).New(time.Unix(1764000000, 0))
	for _, s := range []string{id.String() + ".a", id.String() + ".archive.0f3a", id.String(), id.String() + ".", ".", "x.a", "urn:uuid:" + id.String() + ".a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := outbox.ParseKey(s)
		if err != nil {
			return
		}
		again, err := outbox.ParseKey(k.String())
		if err != nil || again != k {
			t.Errorf("%q is %v, and that is %v (%v)", s, k, again, err)
		}
	})
}
