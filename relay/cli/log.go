package cli

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"

	"invitation-relay/relay/config"
)

// newLogger is the relay's log: text for a person at a terminal, JSON for a
// program that collects it. The config has been checked: its words are known.
//
// The returned func sets another level, for a reload.
func newLogger(w io.Writer, c config.Log) (log *slog.Logger, setLevel func(config.Log)) {
	level := new(slog.LevelVar)
	setLevel = func(c config.Log) { _ = level.UnmarshalText([]byte(c.Level)) } // one of the four, or check would have said so
	setLevel(c)
	text := c.Format == "text" || c.Format == "auto" && terminal(w)
	if text {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !colour(w)})), setLevel
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), setLevel
}

// terminal says whether a person looks at w.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// colour is for terminals, and never with NO_COLOR (https://no-color.org).
func colour(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && terminal(w)
}
