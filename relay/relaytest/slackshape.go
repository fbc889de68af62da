package relaytest

import "unicode/utf8"

// checks are the members of an object and what is wrong with each.
type checks = map[string]func(any) string

// blockShapes are the blocks a message may have.
func blockShapes() map[string]shape {
	image := checks{"image_url": isURL, "slack_file": anything, "alt_text": text(1, 2000), "title": textObject(2000, "plain_text")}
	card := checks{
		"hero_image": element, "icon": element, "title": textObject(150, "mrkdwn"), "subtitle": textObject(150, "mrkdwn"),
		"body": textObject(200, "mrkdwn"), "actions": list(1, 5, element),
	}
	cell := func(v any) string {
		m, _ := v.(map[string]any)
		switch m["type"] {
		case "rich_text":
			return object(shape{[]string{"elements"}, checks{"elements": list(1, 1000, richText)}})(v)
		case "raw_text", "raw_number":
			return object(shape{[]string{"text"}, checks{"text": text(1, 10000), "value": anything}})(v)
		}
		return "not a cell"
	}
	return map[string]shape{
		"divider": {nil, checks{}},
		"header":  {[]string{"text"}, checks{"text": textObject(150, "plain_text")}},
		"section": {nil, checks{
			"text": textObject(3000, "plain_text", "mrkdwn"), "fields": list(1, 10, textObject(2000, "plain_text", "mrkdwn")),
			"accessory": element, "expand": isBool,
		}},
		"context":         {[]string{"elements"}, checks{"elements": list(1, 10, contextElement)}},
		"actions":         {[]string{"elements"}, checks{"elements": list(1, 25, element)}},
		"context_actions": {[]string{"elements"}, checks{"elements": list(1, 5, element)}},
		"image":           {[]string{"alt_text"}, image},
		"markdown":        {[]string{"text"}, checks{"text": text(1, 12000)}},
		"rich_text":       {[]string{"elements"}, checks{"elements": list(1, 1000, richText)}},
		"alert":           {[]string{"text"}, checks{"text": textObject(3000, "plain_text", "mrkdwn"), "level": oneOf("default", "info", "warning", "error", "success")}},
		"video": {[]string{"video_url", "thumbnail_url", "alt_text", "title"}, checks{
			"video_url": isURL, "thumbnail_url": isURL, "alt_text": text(1, 2000), "title": textObject(199, "plain_text"), "title_url": isURL,
			"author_name": text(1, 49), "provider_name": text(1, 49), "provider_icon_url": isURL, "description": textObject(199, "plain_text"),
		}},
		"table":      {[]string{"rows"}, checks{"rows": list(1, 100, list(1, 20, cell)), "column_settings": list(0, 20, anything)}},
		"data_table": {[]string{"rows", "caption"}, checks{"rows": list(1, 100, list(1, 20, cell)), "caption": text(1, 2000), "page_size": anything, "row_header_column_index": anything}},
		"card":       {nil, card},
		"carousel":   {[]string{"elements"}, checks{"elements": list(1, 10, object(shape{nil, card}))}},
		"container": {[]string{"child_blocks"}, checks{
			"title": textObject(150, "plain_text"), "rich_text_title": anything, "subtitle": textObject(150, "plain_text", "mrkdwn"),
			"child_blocks": list(1, 10, childBlock), "width": oneOf("narrow", "standard", "wide", "full"), "icon": element,
			"is_collapsible": isBool, "default_collapsed": isBool, "has_header_divider": isBool,
		}},
		"task_card": {[]string{"task_id", "title", "status"}, checks{
			"task_id": text(1, 255), "title": text(1, 150), "details": anything, "output": anything, "sources": list(1, 10, element), "status": anything,
		}},
		"plan": {[]string{"title"}, checks{"title": text(1, 150), "tasks": list(0, 50, anything)}},
	}
}

// checkBlock holds a block against its type's shape.
func checkBlock(b map[string]any) string {
	kind, ok := b["type"].(string)
	if !ok {
		return "type is missing"
	}
	s, ok := blockShapes()[kind]
	if !ok {
		return "unknown type"
	}
	if why := s.check(b); why != "" {
		return kind + ": " + why
	}
	switch {
	case kind == "section" && b["text"] == nil && b["fields"] == nil:
		return "section: neither text nor fields"
	case kind == "image" && (b["image_url"] == nil) == (b["slack_file"] == nil):
		return "image: not exactly one of image_url and slack_file"
	case kind == "card" && b["hero_image"] == nil && b["title"] == nil && b["body"] == nil && b["actions"] == nil:
		return "card: nothing in it"
	case kind == "container" && b["title"] == nil && b["rich_text_title"] == nil:
		return "container: no title"
	}
	return ""
}

// childBlock checks a block in a container.
func childBlock(v any) string {
	b, ok := v.(map[string]any)
	if !ok {
		return "not a block"
	}
	return checkBlock(b)
}

// object holds an object against a shape.
func object(s shape) func(any) string {
	return func(v any) string {
		m, ok := v.(map[string]any)
		if !ok {
			return "not an object"
		}
		return s.check(m)
	}
}

// element checks buttons, menus of choices and images; of other elements it only
// wants a type.
func element(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return "not an element"
	}
	confirm := object(shape{[]string{"title", "text", "confirm", "deny"}, checks{
		"title": textObject(100, "plain_text"), "text": textObject(300, "plain_text", "mrkdwn"),
		"confirm": textObject(30, "plain_text"), "deny": textObject(30, "plain_text"), "style": oneOf("primary", "danger"),
	}})
	option := object(shape{[]string{"text", "value"}, checks{
		"text": textObject(75, "plain_text", "mrkdwn"), "value": text(1, 75), "description": textObject(75, "plain_text", "mrkdwn"), "url": isURL,
	}})
	choices := func(most int) string {
		return shape{nil, checks{
			"options": list(1, most, option), "option_groups": list(1, 100, anything), "initial_option": option, "initial_options": list(1, most, option),
			"placeholder": textObject(150, "plain_text"), "action_id": text(1, 255), "confirm": confirm, "max_selected_items": anything, "focus_on_load": isBool,
		}}.check(m)
	}
	kind, _ := m["type"].(string)
	switch kind {
	case "":
		return "type is missing"
	case "button", "workflow_button", "icon_button":
		return shape{[]string{"text"}, checks{
			"text": textObject(75, "plain_text"), "action_id": text(1, 255), "url": isURL, "value": text(1, 2000), "workflow": anything, "icon": anything,
			"style": oneOf("primary", "danger"), "confirm": confirm, "accessibility_label": text(1, 75), "visible_to_user_ids": anything,
		}}.check(m)
	case "image":
		return contextElement(v)
	case "overflow":
		return choices(5)
	case "checkboxes", "radio_buttons":
		return choices(10)
	case "static_select", "multi_static_select":
		return choices(100)
	}
	return ""
}

// runesIn is how many characters a member of all blocks of a type has together.
func runesIn(blocks []any, kind, member string) int {
	n := 0
	var count func(any)
	count = func(v any) {
		switch v := v.(type) {
		case string:
			n += utf8.RuneCountInString(v)
		case []any:
			for _, e := range v {
				count(e)
			}
		case map[string]any:
			count(v["text"])
			count(v["elements"])
		}
	}
	for _, b := range blocks {
		if m, ok := b.(map[string]any); ok && m["type"] == kind {
			count(m[member])
		}
	}
	return n
}
