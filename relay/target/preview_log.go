package target

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
)

// Preview is the line Send would write, without its time.
func (l *Log) Preview(m *Message) (Preview, error) {
	var line bytes.Buffer
	to := *l
	to.log = slog.New(slog.NewTextHandler(&line, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	to.Send(context.Background(), m)
	return Preview{Kind: l.Kind(), Text: strings.TrimSuffix(line.String(), "\n")}, nil
}
