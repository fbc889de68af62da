package rules

import "time"

// Input is one event as expressions see it. Nobody changes it.
type Input struct {
	EventID    string
	Source     string
	ReceivedAt time.Time
	Payload    map[string]any // top-level members: string, int, float64, bool, nil, map[string]any, []any
}
