package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// maxThreadParents is how many deleted first messages of a thread are followed.
const maxThreadParents = 16

// threadKey names the thread a message belongs to: a hash of the channel and of
// thread_by's value, which may be about a person. It is "" for none: thread_by is
// not set or says nothing of this event, or it is an alarm.
func (s *Slack) threadKey(m *Message) string {
	if s.threadBy == nil || s.threads == nil || isAlarm(m) {
		return ""
	}
	value, err := s.threadBy.Text(m.wholeInput()) // masked values would share one thread
	if err != nil || value == "" {
		return "" // an event without it is told all the same
	}
	return hashOf(s.channel, value)
}

// hashOf is the SHA-256 of two texts that cannot be taken for two others.
func hashOf(a, b string) string {
	sum := sha256.Sum256([]byte(a + "\x00" + b))
	return hex.EncodeToString(sum[:])
}

// slackThread is where a message goes: under the message parent, or, when that is
// "", at the top, to become the parent of those that come with key.
type slackThread struct{ key, parent string }

// thread finds the thread of a key. Threads never forgets a parent, so one that
// took the place of a deleted one stands under a key made of the old key and the
// old parent; the last of that chain is the one in use. A store that fails costs
// the thread and not the message.
func (s *Slack) thread(ctx context.Context, key string) slackThread {
	var last slackThread
	for n := range maxThreadParents {
		if key == "" {
			break
		}
		parent, err := s.threads.Thread(ctx, key)
		switch {
		case err != nil, parent == "" && n > 0:
			return last
		case parent == "":
			return slackThread{key: key}
		}
		last = slackThread{key, parent}
		key = last.next().key
	}
	return last
}

// next is the thread that takes the place of one whose parent is gone.
func (t slackThread) next() slackThread { return slackThread{key: hashOf(t.key, t.parent)} }

// begin remembers the first message of a thread. That it cannot costs the thread:
// the next message begins it again.
func (s *Slack) begin(ctx context.Context, t slackThread, ts string) {
	if t.key != "" && t.parent == "" && ts != "" {
		_ = s.threads.SaveThread(context.WithoutCancel(ctx), t.key, ts) // the message has been posted
	}
}
