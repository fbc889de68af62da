package target

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// digest is several events in the words of one default message. As in a summary
// nothing is escaped yet, and every text is one line.
type digest struct {
	title string       // "7 verifications: 5 rejected, 2 accepted"
	lines []digestLine // one an event, in their order; none is left out
	notes []string     // where they came from, and when the first and the last
}

// digestLine is one event of a digest.
type digestLine struct {
	title string // "Verification rejected"
	who   string // "" when not known
	tries string // "3 attempts", "" when not known
	ids   []fact // to copy: the ticket, else the subject's id; at most one
	time  string // "01:41:07", with the date when the digest is of several days; UTC
	event string // the event's short id, to find it by
}

// maxDigestGroups is how many outcomes a digest's title counts by name.
const maxDigestGroups = 4

// summariseDigest puts events into the words of one message. Their order stays.
func summariseDigest(ms []*Message) digest {
	var d digest
	var groups []digestGroup
	days, sources := map[string]bool{}, []string{}
	for _, m := range ms {
		days[m.Event.ReceivedAt.UTC().Format(time.DateOnly)] = true
		if source := oneLine(m.Event.Source); !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	layout := time.TimeOnly
	if len(days) > 1 {
		layout = time.DateTime
	}
	for _, m := range ms {
		s := summarise(m.Event)
		groups = counted(groups, s.what)
		d.lines = append(d.lines, digestLine{
			title: s.title, who: s.who, tries: s.tries, ids: idsToCopy(s.facts),
			time: m.Event.ReceivedAt.UTC().Format(layout), event: m.Event.ID.Short(),
		})
	}
	d.title = digestTitle(len(ms), groups, sources)
	d.notes = append(slices.Clone(sources), received(ms))
	return d
}

// idsToCopy is the ticket, or the first other id there is.
func idsToCopy(facts []fact) []fact {
	var ids []fact
	for _, f := range facts {
		if f.id && (len(ids) == 0 || f.label == "Ticket") {
			ids = []fact{f}
		}
	}
	return ids
}

// received says when the events came in.
func received(ms []*Message) string {
	if len(ms) == 0 {
		return ""
	}
	byTime := func(a, b *Message) int { return a.Event.ReceivedAt.Compare(b.Event.ReceivedAt) }
	from, to := slices.MinFunc(ms, byTime).Event.ReceivedAt.UTC(), slices.MaxFunc(ms, byTime).Event.ReceivedAt.UTC()
	last := to.Format(time.DateTime)
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		last = to.Format(time.TimeOnly)
	}
	return "received " + from.Format(time.DateTime) + " to " + last + " UTC"
}

// digestGroup is how many events say the same.
type digestGroup struct {
	what happening
	n    int
}

// counted adds one to what's group.
func counted(groups []digestGroup, what happening) []digestGroup {
	for i := range groups {
		if groups[i].what == what {
			groups[i].n++
			return groups
		}
	}
	return append(groups, digestGroup{what, 1})
}

// digestTitle says how many events there are and what became of them, most
// frequent first.
func digestTitle(n int, groups []digestGroup, sources []string) string {
	slices.SortStableFunc(groups, func(a, b digestGroup) int { return cmp.Compare(b.n, a.n) })
	thing := groups[0].what.thing
	for _, g := range groups {
		if g.what.thing != thing {
			thing = ""
		}
	}
	if thing == "" && len(groups) == 1 {
		title := plural(n, "event")
		if len(sources) == 1 {
			title += " from " + sources[0]
		}
		return title
	}
	if len(groups) == 1 && !groups[0].what.quoted {
		return plural(n, thing) + " " + groups[0].what.became
	}
	var parts []string
	others := 0
	for i, g := range groups {
		switch {
		case i >= maxDigestGroups:
			others += g.n
		case thing != "":
			parts = append(parts, strconv.Itoa(g.n)+" "+g.what.became)
		case g.what.thing == "":
			parts = append(parts, strconv.Itoa(g.n)+" of other kinds")
		default:
			parts = append(parts, plural(g.n, g.what.thing)+" "+g.what.became)
		}
	}
	if others > 0 {
		parts = append(parts, strconv.Itoa(others)+" other")
	}
	return plural(n, orElse(thing, "event")) + ": " + strings.Join(parts, ", ")
}

// plural is a number of things: "7 verifications".
func plural(n int, thing string) string {
	thing = strings.ToLower(thing)
	if stem, ok := strings.CutSuffix(thing, "y"); ok && n != 1 {
		return strconv.Itoa(n) + " " + stem + "ies"
	}
	return count(strconv.Itoa(n), thing)
}
