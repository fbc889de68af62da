package cli

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
)

// messageExpectation is about a message as it leaves. A text or a list of texts,
// all of which must hold.
type messageExpectation struct {
	// Equals is the whole of it: of slack the text, of email the text or html, of http the body. An object or a list is compared as JSON.
	Equals any `yaml:"equals"`
	// Contains, Lacks and Matches (regular expressions) look at all of its texts.
	Contains any `yaml:"contains"`
	Lacks    any `yaml:"lacks"`
	Matches  any `yaml:"matches"`
	// Subject is a mail's subject, exactly.
	Subject string `yaml:"subject"`

	contains, lacks []string
	matches         []*regexp.Regexp
}

// checkMessage finds expectations of a message that could never hold, and makes
// the others ready.
func (t *ruleTest) checkMessage(at string, m *messageExpectation, kind string) {
	if !t.has(at+".equals") && m.Contains == nil && m.Lacks == nil && m.Matches == nil && !t.has(at+".subject") {
		t.wrong(at, "nothing is expected of it", "contains: [text]")
	}
	if t.has(at+".subject") && kind != "email" {
		t.wrong(at+".subject", "only a mail has a subject", "")
	}
	switch m.Equals.(type) {
	case map[string]any, []any:
		if kind != "http" && kind != "slack" {
			t.wrong(at+".equals", "a message of kind "+kind+" is no JSON", "equals: its text")
		}
	case string, nil:
	default:
		t.wrong(at+".equals", "must be a text, an object or a list", "numbers are put in quotation marks")
	}
	m.contains = t.texts(at+".contains", m.Contains)
	m.lacks = t.texts(at+".lacks", m.Lacks)
	for i, pattern := range t.texts(at+".matches", m.Matches) {
		re, err := regexp.Compile(pattern)
		if err != nil {
			key := at + ".matches"
			if _, list := m.Matches.([]any); list {
				key = fmt.Sprintf("%s[%d]", key, i)
			}
			t.wrong(key, "not a regular expression: "+regexpReason(err), "https://golang.org/s/re2syntax")
			continue
		}
		m.matches = append(m.matches, re)
	}
}

// texts are a text, or a list of them.
func (t *ruleTest) texts(at string, v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return []string{v}
	case []any:
		out := make([]string, 0, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				t.wrong(fmt.Sprintf("%s[%d]", at, i), "must be a text", "numbers are put in quotation marks")
			}
			out = append(out, s)
		}
		return out
	}
	t.wrong(at, "must be a text or a list of texts", "numbers are put in quotation marks")
	return nil
}

func regexpReason(err error) string {
	if se, ok := errors.AsType[*syntax.Error](err); ok {
		return se.Code.String()
	}
	return "it cannot be read"
}
