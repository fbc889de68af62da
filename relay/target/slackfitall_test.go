package target_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

// everyBlock is a message with every type of block there is, whose every text is a
// value of the event, with more pieces than Slack takes.
func everyBlock() []any {
	type m = map[string]any
	const value = "{{ full_name }}"
	plain := func() m { return m{"type": "plain_text", "text": value} }
	marked := func() m { return m{"type": "mrkdwn", "text": "*who* " + value, "verbatim": true} }
	bare := func() m { return m{"type": "mrkdwn", "text": value} }
	url := "https://cases.example/" + value
	many := func(n int, make func() m) []any {
		var list []any
		for range n {
			list = append(list, make())
		}
		return list
	}
	rich := func() m {
		return m{"type": "rich_text", "elements": []any{m{"type": "rich_text_section", "elements": []any{
			m{"type": "text", "text": value}, m{"type": "link", "url": url, "text": "x"},
		}}, m{"type": "rich_text_list", "style": "bullet", "elements": []any{m{"type": "rich_text_section", "elements": []any{m{"type": "text", "text": value}}}}}}}
	}
	image := func() m { return m{"type": "image", "image_url": url, "alt_text": value} }
	button := func() m {
		return m{
			"type": "button", "text": plain(), "url": url, "value": value, "action_id": value, "accessibility_label": value,
			"confirm": m{"title": plain(), "text": marked(), "confirm": plain(), "deny": plain()},
		}
	}
	option := func() m { return m{"text": plain(), "value": value, "description": plain()} }
	menu := func(kind string) m {
		return m{"type": kind, "options": many(120, option), "action_id": "a", "initial_option": option()}
	}
	feedback := func() m { return m{"text": plain(), "value": value, "accessibility_label": value} }
	card := func() m {
		return m{"type": "card", "title": bare(), "subtitle": bare(), "body": bare(), "hero_image": image(), "actions": many(7, func() m {
			return m{"type": "button", "text": plain()}
		})}
	}
	cell := func() m { return m{"type": "raw_text", "text": value} }
	row := func() []any { return append(many(25, cell), rich()) }
	var rows []any
	for range 4 {
		rows = append(rows, row())
	}
	video := m{
		"type": "video", "video_url": "https://v.example/" + value, "thumbnail_url": "https://v.example/t.png", "alt_text": value, "title": plain(),
		"author_name": value, "provider_name": value, "description": plain(), "title_url": url,
	}
	return []any{
		m{"type": "header", "text": plain(), "block_id": value},
		m{"type": "section", "text": marked(), "fields": many(12, bare), "accessory": button(), "block_id": value},
		m{"type": "section", "text": bare()},
		m{"type": "context", "elements": append(many(12, bare), image())},
		m{"type": "actions", "elements": append(many(24, button), menu("overflow"), menu("static_select"))},
		m{"type": "actions", "elements": []any{menu("overflow"), menu("static_select"), menu("checkboxes")}},
		m{"type": "context_actions", "elements": many(7, func() m {
			return m{"type": "feedback_buttons", "positive_button": feedback(), "negative_button": feedback()}
		})},
		m{"type": "image", "image_url": "https://i.example/" + value, "alt_text": value, "title": plain()},
		m{"type": "markdown", "text": value},
		m{"type": "markdown", "text": "x" + value},
		rich(),
		m{"type": "alert", "text": bare()},
		video, card(),
		m{"type": "carousel", "elements": many(12, card)},
		m{"type": "container", "title": plain(), "subtitle": bare(), "child_blocks": many(12, func() m { return m{"type": "section", "text": marked()} })},
		m{"type": "table", "rows": rows, "column_settings": many(25, func() m { return m{"align": "left"} })},
		m{"type": "data_table", "rows": []any{row()}, "caption": value},
		m{"type": "task_card", "task_id": value, "title": value, "status": "complete", "details": rich()},
		m{"type": "plan", "title": value, "tasks": []any{}},
		m{"type": "divider"},
	}
}

// TestEveryTypeOfBlockIsMadeToFit: whatever a value is, Slack takes the message as it
// is meant, and the value does nothing in it.
func TestEveryTypeOfBlockIsMadeToFit(t *testing.T) {
	slack, s := workspace(t, func(c *target.SlackConfig, _ *target.Deps) { c.Blocks = everyBlock() })
	pieces := []string{" ", "ä", "😀", "<!channel>", "&", "&amp;", "https://evil.example", "*b*", "`", "\n", "\u202e", "a.b@c.example", "x", strings.Repeat("word ", 60)}
	draw := rand.New(rand.NewPCG(1, 2)) // the same names each time
	for range 15 {
		name := ""
		for range draw.IntN(8) {
			name += pieces[draw.IntN(len(pieces))]
		}
		name = strings.Repeat(name, []int{1, 1, 3, 12}[draw.IntN(4)])
		body, err := json.Marshal(map[string]any{"id": "i", "full_name": name})
		if err != nil {
			t.Fatal(err)
		}
		m := &target.Message{Attempt: 1, Now: received, Event: &event.Event{
			Source: "preventor", ReceivedAt: received, Body: body, Fields: map[string]any{"id": "i", "full_name": name},
		}}
		if r := s.Send(t.Context(), m); r.Outcome != event.Delivered || r.Reason != "" {
			refused := slack.Refused()
			t.Fatalf("%.100q: %+v: %s", name, r, refused[len(refused)-1].Why)
		}
		all := slack.Messages()
		if live := all[len(all)-1].Live(); len(live) > 0 {
			t.Fatalf("%.100q: live: %q", name, live)
		}
	}
}

func TestTheBlocksOfThatTestAreOfEveryType(t *testing.T) {
	kinds := map[string]bool{}
	for _, b := range everyBlock() {
		block, _ := b.(map[string]any)
		kind, _ := block["type"].(string)
		kinds[kind] = true
	}
	for _, kind := range target.BlockTypes() {
		if !kinds[kind] {
			t.Errorf("%s is not among them", kind)
		}
	}
	if slices.Contains(target.BlockTypes(), "input") {
		t.Error("an input can be posted")
	}
}
