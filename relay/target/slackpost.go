package target

import (
	"context"
	"net/http"
	"slices"
	"time"

	"invitation-relay/relay/event"
)

// maxSlackPlain is how long a message may be that stands in for one Slack refused.
const maxSlackPlain = 3000

// posting is one attempt: what the last try saw, and how many there were.
type posting struct {
	exchange *exchange
	answer   slackAnswer
	verdict  verdict
	tries    int
}

// post makes one attempt. A message whose thread is gone begins a new one, and one
// whose form Slack does not take is told as short plain text: an event that is
// known without its buttons is worth more than a dead letter. Both are tries of
// the same attempt, and the reason says so.
func (s *Slack) post(ctx context.Context, now time.Time, msg slackMessage, key string) Result {
	thread := s.thread(ctx, key)
	msg.ThreadTS = thread.parent
	var p posting
	s.try(ctx, &p, msg)
	if thread.parent != "" && slices.Contains(lostThreads(), p.answer.word) {
		thread, msg.ThreadTS = thread.next(), ""
		s.try(ctx, &p, msg)
	}
	if plain, ok := plainMessage(msg); ok && p.verdict.outcome == event.Rejected && slices.Contains(formFaults(), p.answer.word) {
		refusal := p.verdict.reason
		s.try(ctx, &p, plain)
		p.verdict.reason = plainReason(p.verdict, refusal)
	}
	if p.verdict.outcome == event.Delivered {
		s.begin(ctx, thread, p.answer.ts)
	}
	return s.result(&p, now)
}

// try posts a message once, with the client's quick tries.
func (s *Slack) try(ctx context.Context, p *posting, msg slackMessage) {
	body, err := marshal(msg)
	if err != nil {
		p.verdict = verdict{event.Rejected, "the message cannot be put together; check text and blocks"} // the error may quote it
		p.tries = max(1, p.tries)
		return
	}
	x := &exchange{Context: ctx, keep: true, sent: s.header}
	s.client.do(x, s.base.WithContext(x), body) //nolint:contextcheck // ctx is in x
	p.exchange, p.answer = x, slackAnswer{}
	p.tries += max(1, x.tries)
	if x.status == 0 {
		p.verdict = x.failure().verdict()
		return
	}
	p.answer = readSlackAnswer(x.answer)
	p.verdict = s.slackVerdict(x.status, p.answer)
}

// plainMessage is a message as short plain text, and whether that is another one.
func plainMessage(msg slackMessage) (slackMessage, bool) {
	plain := msg
	plain.Blocks, plain.Text = nil, cutText(orElse(msg.plain, msg.Text), maxSlackPlain)
	return plain, !msg.noPlain && (msg.Blocks != nil || plain.Text != msg.Text)
}

// plainReason says how a message fared that was refused in its own form.
func plainReason(v verdict, refusal string) string {
	switch v.outcome {
	case event.Delivered:
		return refusal + " (the message went as short plain text instead)"
	case event.Rejected:
		return refusal + " (as short plain text it was refused too)"
	default:
		return v.reason + " (short plain text was tried because " + refusal + ")"
	}
}

// result is how the attempt ended. Its reason ends with the command that helps.
func (s *Slack) result(p *posting, now time.Time) Result {
	r := Result{Outcome: p.verdict.outcome, Reason: p.verdict.reason + wayOut(p.verdict.outcome, s.name), Tries: p.tries}
	if p.exchange == nil {
		return r
	}
	r.Status = p.exchange.status
	waits := r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable
	if waits || r.Outcome == event.Retry && slices.Contains(rateLimits(), p.answer.word) {
		if now.IsZero() {
			now = time.Now()
		}
		r.RetryAfter = retryAfter(p.exchange.header, now)
	}
	return r
}
