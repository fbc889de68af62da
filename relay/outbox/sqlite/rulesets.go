package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"

	"invitation-relay/relay/event"
)

// inForce is the ruleset of the last event: the next one nearly always has the
// same, as the same string. Who writes uses it alone, and forgets it when a
// transaction fails, which may have been the one that stored it.
type inForce struct {
	text string
	id   int64
}

// ruleset is the number of what decided an event, 0 when that is not known.
func (t *tx) ruleset(ctx context.Context, text string, seq, received int64) (id int64, err error) {
	now := &t.s.inForce
	switch text {
	case "":
		return 0, nil
	case now.text:
		return now.id, nil
	}
	hash := sha256.Sum256([]byte(text))
	received = receivedAt(seq, received, nanos(t.s.cfg.Now())+int64(leap))
	err = t.w.runOnce(ctx, `INSERT INTO rulesets (since, hash, text) VALUES (?,?,?)
		ON CONFLICT (hash) DO UPDATE SET since = excluded.since`, received, hash[:], text)
	if err == nil {
		id, err = count(ctx, t.w.conn, "SELECT id FROM rulesets WHERE hash = ?", hash[:])
	}
	if err != nil {
		return 0, err
	}
	*now = inForce{text, id}
	return id, nil
}

// rulesets forgets those that the next one has replaced before what is kept of
// rows: what they have decided is gone, or has waited all that time.
func (p *purge) rulesets(ctx context.Context) (bool, error) {
	return p.transact(ctx, func(ctx context.Context, t *tx) (int, bool, error) {
		v := t.w.purgeRulesets.args
		v[0].Value, v[1].Value = p.rows, p.s.inForce.id // the clock may have been set back since it came
		n, err := t.w.purgeRulesets.changed(ctx)
		return int(n), false, err
	})
}

// ruleset is the text of a number. One that is damaged explains nothing any
// more, but the event is whole.
func (l *loader) ruleset(ctx context.Context, id event.ID, number int64) (text string, err error) {
	var hash []byte
	err = l.tx.QueryRowContext(ctx, "SELECT hash, text FROM rulesets WHERE id = ?", number).Scan(&hash, &text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err != nil:
		return "", err
	}
	if sum := sha256.Sum256([]byte(text)); string(hash) != string(sum[:]) {
		l.s.log.Error("what decided an event is damaged and cannot be shown", "event_id", id)
		return "", nil
	}
	return text, nil
}

// appendRuleset begins the verdicts column. A rule's number is never 0, so
// that rows without it, which older releases have written, read the same.
func appendRuleset(buf []byte, id int64) []byte {
	if id == 0 {
		return buf
	}
	return binary.AppendUvarint(append(buf, 0), uint64(id)) //nolint:gosec // counts from 1
}

// cutRuleset is the inverse of appendRuleset.
func cutRuleset(b []byte) (id int64, verdicts []byte) {
	if len(b) == 0 || b[0] != 0 {
		return 0, b
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 {
		return 0, nil // the checksum has been looked at: this cannot be
	}
	return int64(n), b[1+size:] //nolint:gosec // counts from 1
}
