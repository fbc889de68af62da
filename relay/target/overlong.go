package target

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"invitation-relay/rules"
)

// Overlong reports texts of the settings that would not leave whole, for an
// event like this one: Slack takes no more. What Check or rendering refuses is
// theirs to report. A hint is the caller's.
func (c *SlackConfig) Overlong(env *rules.Env, in *rules.Input, r Report) {
	s := &Slack{}
	if s.compileMessage(c, env) != nil {
		return
	}
	if s.text != nil {
		if text, err := s.text.Render(in); err == nil {
			reportCut(r, "text", text, cutText(text, maxSlackText))
		}
	}
	if s.blocks == nil {
		return
	}
	before, err := s.renderBlocks(in)
	if err != nil {
		return
	}
	after, err := s.renderBlocks(in)
	if err != nil {
		return
	}
	for i := range before {
		block, ok := after[i].(map[string]any)
		if ok && fitBlock(block) {
			reportDifference(r, fmt.Sprintf("blocks[%d]", i), before[i], block)
		}
	}
}

// Overlong reports a subject that would not leave whole, for an event like this
// one. A hint is the caller's.
func (c *EmailConfig) Overlong(env *rules.Env, in *rules.Input, r Report) {
	if c.Subject == "" {
		return
	}
	subject, p := rules.CompileText(env, c.Subject, rules.Header)
	if p != nil {
		return
	}
	if text, err := subject.Render(in); err == nil {
		reportCut(r, "subject", mailLine(text), mailSubject(text))
	}
}

// reportCut reports a text that has become shorter.
func reportCut(r Report, path, before, after string) {
	if n, left := utf8.RuneCountInString(before), utf8.RuneCountInString(after); left < n {
		r(path, 0, 0, "of its "+strconv.Itoa(n)+" characters only the first "+strconv.Itoa(left-1)+" would be sent", "")
	}
}

// reportDifference reports what has become shorter in a value.
func reportDifference(r Report, path string, before, after any) {
	switch before := before.(type) {
	case string:
		if after, ok := after.(string); ok {
			reportCut(r, path, before, after)
		}
	case []any:
		after, ok := after.([]any)
		switch {
		case !ok || len(after) > len(before):
		case len(after) < len(before) && !slices.ContainsFunc(before, empty):
			r(path, 0, 0, fmt.Sprintf("of its %d entries only the first %d would be sent", len(before), len(after)), "")
		case len(after) == len(before):
			for i := range before {
				reportDifference(r, fmt.Sprintf("%s[%d]", path, i), before[i], after[i])
			}
		}
	case map[string]any:
		if after, ok := after.(map[string]any); ok {
			for key, value := range before {
				reportDifference(r, path+"."+key, value, after[key])
			}
		}
	}
}

// empty is true of text objects that say nothing: they are left out, and not for
// their length.
func empty(v any) bool {
	m, ok := v.(map[string]any)
	text, isText := m["text"].(string)
	return ok && isText && text == ""
}
