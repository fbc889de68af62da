package relay_test

import (
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// TestAFieldIsMaskedAsTheLanguageMasksIt: the two know nothing of each other, for both are the floor.
func TestAFieldIsMaskedAsTheLanguageMasksIt(t *testing.T) {
	for _, s := range []string{"", "a", "ab", "abc", "Jon Doe", "Ö", "Öl", "Öle", "\U0001F600\U0001F600\U0001F600", "a\xffb", " x ", "\n\n\n"} {
		if got, want := event.Mask(s), rules.Mask(s); got != want {
			t.Errorf("%q: %q here, %q there", s, got, want)
		}
	}
}
