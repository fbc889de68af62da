package relay

import (
	"testing"
	"time"

	"invitation-relay/relay/config"
)

func TestWhatIsKeptForLessThanAnHourIsKeptNoMoreThanTwiceAsLong(t *testing.T) {
	for name, c := range map[string]struct {
		bodies, refused, want time.Duration
	}{
		"the defaults":                 {30 * 24 * time.Hour, 7 * 24 * time.Hour, time.Hour},
		"bodies for ten minutes":       {10 * time.Minute, 7 * 24 * time.Hour, 10 * time.Minute},
		"refused for ten minutes":      {30 * 24 * time.Hour, 10 * time.Minute, 10 * time.Minute},
		"bodies as briefly as can be":  {time.Minute, 7 * 24 * time.Hour, time.Minute},
		"refused for a moment":         {30 * 24 * time.Hour, time.Second, time.Minute},
		"nothing of the refused":       {30 * 24 * time.Hour, 0, time.Hour},
		"both, the refused for longer": {5 * time.Minute, 20 * time.Minute, 5 * time.Minute},
	} {
		p := &plan{cfg: &config.Config{Store: config.Store{Retention: c.bodies}}, sources: map[string]source{"a": {keep: c.refused}, "b": {keep: 24 * time.Hour}}}
		if got := p.purgeEvery(); got != c.want {
			t.Errorf("%s: every %s, want %s", name, got, c.want)
		}
	}
}
