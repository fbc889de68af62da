package dispatch

import "time"

// Schedule says when a failed delivery is tried again: after Initial, then
// twice as long each time up to Max, with full jitter, until MaxAge after the
// event's receipt. Zero values: 5s, 1h, 72h.
type Schedule struct{ Initial, Max, MaxAge time.Duration }
