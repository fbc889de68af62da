package target

import (
	"context"
	"log/slog"
	"strings"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// SetDefaults fills in what the config left out: level info.
func (c *LogConfig) SetDefaults() {
	if c.Level == "" {
		c.Level = "info"
	}
}

// Check reports every mistake in the settings, after SetDefaults.
func (c *LogConfig) Check(_ *rules.Env, r Report) {
	if _, ok := logLevel(c.Level); !ok {
		r("level", 0, 0, "level is one of debug, info, warn, error", "")
	}
}

func logLevel(s string) (slog.Level, bool) {
	switch s {
	case "debug":
		return slog.LevelDebug, true
	case "info":
		return slog.LevelInfo, true
	case "warn":
		return slog.LevelWarn, true
	case "error":
		return slog.LevelError, true
	}
	return 0, false
}

// Log writes one line an event into the relay's own log: what a rule sends
// where can be watched before there is a real target. It has no personal data,
// and never fails.
type Log struct {
	name  string
	log   *slog.Logger
	level slog.Level
}

// NewLog builds the target. A level that Check would report is info.
func NewLog(name string, c LogConfig, d Deps) (*Log, error) {
	level, _ := logLevel(c.Level)
	log := d.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Log{name: name, log: log, level: level}, nil
}

// Kind is "log".
func (*Log) Kind() string { return "log" }

// Recipients is nil: one delivery an event.
func (*Log) Recipients() []string { return nil }

// Close has nothing to let go of.
func (*Log) Close() {}

// Send writes the line. The subject and the status are written only when they
// look like an id and like a status: a sender may put anything there.
func (l *Log) Send(ctx context.Context, m *Message) Result {
	ev := m.Event
	l.log.LogAttrs(ctx, l.level, "event",
		slog.String("event_id", ev.ID.String()),
		slog.String("target", l.name),
		slog.Int("attempt", m.Attempt),
		slog.String("source", ev.Source),
		slog.String("kind", ev.Kind.String()),
		slog.String("subject", onlyLike(ev.Subject, 64, lowerLetters+upperLetters+digits+"-_")),
		slog.String("status", onlyLike(ev.Status, 32, upperLetters+"_")),
	)
	return Result{Outcome: event.Delivered, Tries: 1}
}

const (
	lowerLetters = "abcdefghijklmnopqrstuvwxyz"
	upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
)

// onlyLike is s when it is short and made of the given characters only, else
// "other"; "" stays "".
func onlyLike(s string, most int, of string) string {
	if len(s) > most || strings.Trim(s, of) != "" {
		return "other"
	}
	return s
}
