package admin

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"
)

// maxForget bounds the body that names a person.
const maxForget = 4 << 10

// forgetWithin is for a look at every body there is: some 20 s for a million, and
// several times that beside a load.
const forgetWithin = 15 * time.Minute

// forgottenItem is what was erased.
type forgottenItem struct {
	Events    int `json:"events"`
	Discarded int `json:"discarded"`
	Refused   int `json:"refused"`
	Sealed    int `json:"sealed"`
	Damaged   int `json:"damaged"`
}

// forget erases one person. Who that is stands in the body: a URL is written
// down in many places.
func (a *api) forget(c *call) (any, error) {
	var who struct {
		Cifcod string `json:"cifcod"`
	}
	d := json.NewDecoder(io.LimitReader(c.req.Body, maxForget))
	d.DisallowUnknownFields()
	err := d.Decode(&who)
	if _, more := d.Token(); err != nil || !errors.Is(more, io.EOF) || who.Cifcod == "" {
		return nil, bad(`the body is {"cifcod": "…"}, with the id of the person to forget`)
	}
	done, err := a.Forget(c.ctx, who.Cifcod)
	c.note(slog.Int("events", done.Events), slog.Int("discarded", done.Discarded), slog.Int("refused", done.Refused),
		slog.Int("damaged", done.Damaged))
	if err != nil {
		return nil, err
	}
	return forgottenItem(done), nil
}
