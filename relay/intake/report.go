package intake

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A flood must not fill the disk: so many lines a minute for each source and result.
const (
	maxLines   = 5
	lineWindow = time.Minute
)

// brake lets a few lines through and counts the others.
type brake struct {
	mu    sync.Mutex
	begun time.Time
	lines int
	held  int
}

// pass reports whether a line may be written, and how many were not since the last.
func (b *brake) pass(now time.Time) (held int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if age := now.Sub(b.begun); age >= lineWindow || age < 0 {
		b.begun, b.lines = now, 0
	}
	if b.lines >= maxLines {
		b.held++
		return 0, false
	}
	b.lines++
	held, b.held = b.held, 0
	return held, true
}

// reporter is one source's log, a brake for each thing there is to say.
type reporter struct {
	log    *slog.Logger
	source string
	brakes [results]brake
	store  brake // "not stored" and its error
	keep   brake
	dedupe brake
	panics brake
}

// refused says that a webhook was refused and why, in words of our own. Noise
// that strangers make with paths and methods is for debugging.
func (rp *reporter) refused(ctx context.Context, now time.Time, ref *refusal, reason string, remote func() string) {
	level := slog.LevelWarn
	if ref.result == notFound || ref.result == badMethod {
		level = slog.LevelDebug
	}
	if !rp.log.Enabled(ctx, level) {
		return
	}
	held, ok := rp.brakes[ref.result].pass(now)
	if !ok {
		return
	}
	attrs := []slog.Attr{
		slog.String("source", rp.source), slog.String("result", ref.result.String()),
		slog.Int("status", ref.status), slog.String("reason", reason),
	}
	if held > 0 {
		attrs = append(attrs, slog.Int("not_logged", held))
	}
	if rp.log.Enabled(ctx, slog.LevelDebug) {
		attrs = append(attrs, slog.String("remote", remote()))
	}
	rp.log.LogAttrs(ctx, level, "webhook refused", attrs...)
}

// failed says that one of our own parts failed.
func (rp *reporter) failed(ctx context.Context, now time.Time, b *brake, level slog.Level, msg string, attrs ...slog.Attr) {
	held, ok := b.pass(now)
	if !ok {
		return
	}
	attrs = append(attrs, slog.String("source", rp.source))
	if held > 0 {
		attrs = append(attrs, slog.Int("not_logged", held))
	}
	rp.log.LogAttrs(ctx, level, msg, attrs...) //nolint:sloglint // msg is a constant at each call
}
