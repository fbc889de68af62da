package target

import "invitation-relay/rules"

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
