package target

import (
	"net/http"
	"time"

	"invitation-relay/relay/secret"
	"invitation-relay/rules"
)

// FailureVerdicts are the results of every failure without an answer, for a test to read.
func FailureVerdicts() []Result {
	var all []Result
	for _, v := range failures {
		all = append(all, Result{Outcome: v.outcome, Reason: v.reason})
	}
	return all
}

// SlackWords are the words of Slack's that are known.
func SlackWords() map[string]struct{} {
	words := map[string]struct{}{}
	for w := range slackWords {
		words[w] = struct{}{}
	}
	return words
}

// WholeInput is the event before fields and mask.
func WholeInput(m *Message) *rules.Input { return m.wholeInput() }

// BlockTypes are the types of block a message may have.
func BlockTypes() []string { return blockTypes }

// Signer puts webhook-timestamp and webhook-signature on headers, as each try
// does.
func Signer(id string, body []byte, now time.Time, secrets ...secret.String) (set func(http.Header), err error) {
	s := &stamp{id: id, body: body, now: now, start: time.Now()}
	for _, text := range secrets {
		w, err := newSigner(text)
		if err != nil {
			return nil, err
		}
		s.signers = append(s.signers, w)
	}
	return s.set, nil
}
