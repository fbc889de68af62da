package target

import "strings"

// Slack's limits, in characters and pieces (docs.slack.dev, Block Kit). What is
// longer is cut: a message that lacks its end is worth more than none.
const (
	maxSlackText     = 40000 // top-level text
	maxSlackBlocks   = 50
	maxSlackHeader   = 150
	maxSlackSection  = 3000
	maxSlackField    = 2000
	maxSlackFields   = 10
	maxSlackContext  = 2000 // one element of a context block
	maxSlackElements = 10   // of a context block
	maxSlackActions  = 25
	maxSlackButton   = 75
	maxSlackMarkdown = 12000 // of all markdown blocks together
	maxSlackTable    = 10000 // of all cells of all tables together
	maxSlackCells    = 20    // of a row
	maxSlackAlt      = 2000
	maxSlackID       = 255
	maxSlackURL      = 3000
	maxSlackObject   = 3000 // any other text object
)

// fitter makes blocks fit; it knows what the blocks so far have used up.
type fitter struct {
	markdown, table int // characters left
	ids             map[string]bool
}

// fitBlocks makes rendered blocks fit Slack's limits, in place: texts that are
// too long are cut, pieces beyond a limit and texts that turned out empty are
// left out, since Slack would refuse the whole message for them. What is no
// block is left to Slack to judge.
func fitBlocks(blocks []any) []any {
	f := newFitter()
	kept := blocks[:0]
	for _, b := range blocks {
		if m, ok := b.(map[string]any); !ok || f.block(m) {
			kept = append(kept, b)
		}
	}
	return kept[:min(len(kept), maxSlackBlocks)]
}

func newFitter() *fitter {
	// a row may end with marks for what found no room
	return &fitter{markdown: maxSlackMarkdown, table: maxSlackTable - maxSlackCells, ids: map[string]bool{}}
}

// fitBlock makes one block fit and reports whether anything is left of it.
func fitBlock(b map[string]any) bool { return newFitter().block(b) }

// part is a member of an object. fit cuts its value and reports whether the value
// stays; without one that is needed the object says nothing, and goes as well.
type part struct {
	name   string
	fit    func(any) (any, bool)
	needed bool
}

// parts makes the members of an object fit and reports whether the object stays.
// A member that is not there at all is left to Slack to judge.
func parts(m map[string]any, all ...part) bool {
	for _, p := range all {
		v, ok := m[p.name]
		if !ok {
			continue
		}
		if v, ok = p.fit(v); ok {
			m[p.name] = v
			continue
		}
		delete(m, p.name)
		if p.needed {
			return false
		}
	}
	return true
}

// textOf fits a text object that must say something.
func textOf(limit int) func(any) (any, bool) {
	return func(v any) (any, bool) {
		t, ok := v.(map[string]any)
		if !ok {
			return v, v != nil
		}
		if t["type"] != "plain_text" && t["type"] != "mrkdwn" {
			return v, true
		}
		return v, parts(t, part{"text", stringOf(limit), true})
	}
}

// stringOf fits a string that must say something.
func stringOf(limit int) func(any) (any, bool) {
	return func(v any) (any, bool) {
		s, ok := v.(string)
		if !ok {
			return v, v != nil
		}
		s = cutText(s, limit)
		return s, strings.TrimSpace(s) != ""
	}
}

// altOf fits a string that has to be there and say something: of an image, what it
// shows to those who do not see it.
func altOf(otherwise string, limit int) func(any) (any, bool) {
	return func(v any) (any, bool) {
		v, ok := stringOf(limit)(v)
		if !ok {
			return otherwise, true
		}
		return v, true
	}
}

// urlOf leaves a URL out that is too long: half of it leads elsewhere.
func urlOf(v any) (any, bool) {
	s, ok := v.(string)
	return v, !ok && v != nil || ok && s != "" && len(s) <= maxSlackURL
}

// listOf keeps the elements of a list that fit keeps, at most limit of them; a list
// with none left goes.
func listOf(limit int, fit func(any) (any, bool)) func(any) (any, bool) {
	return func(v any) (any, bool) {
		list, ok := v.([]any)
		if !ok {
			return v, v != nil
		}
		kept := list[:0]
		for _, e := range list {
			if e, ok := fit(e); ok {
				kept = append(kept, e)
			}
		}
		return kept[:min(len(kept), limit)], len(kept) > 0
	}
}

// objectOf fits an object; what is none is left to Slack to judge.
func objectOf(fit func(map[string]any) bool) func(any) (any, bool) {
	return func(v any) (any, bool) {
		m, ok := v.(map[string]any)
		if !ok {
			return v, v != nil
		}
		return m, fit(m)
	}
}

// cutText cuts Slack text to at most limit characters, with "…" in place of
// what is missing. It never cuts inside a character, an escape (&lt;) or a link
// (<https://…|…>), half of which would be something else. A character outside
// the basic plane counts as two, as in JavaScript: whichever way Slack counts,
// it fits.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end, length := 0, 0 // end of the longest start that leaves room for "…"
	for i, c := range s {
		if length <= limit-1 {
			end = i
		}
		if length++; c > 0xffff {
			length++
		}
	}
	if length <= limit {
		return s
	}
	head := s[:end]
	if i := strings.LastIndexByte(head, '&'); i >= 0 {
		for _, escape := range [...]string{"&amp;", "&lt;", "&gt;"} {
			if strings.HasPrefix(escape, head[i:]) && escape != head[i:] {
				head = head[:i]
				break
			}
		}
	}
	if i := strings.LastIndexByte(head, '<'); i > strings.LastIndexByte(head, '>') {
		head = head[:i]
	}
	return head + "…"
}
