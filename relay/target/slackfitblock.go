package target

// block makes one block fit and reports whether anything is left of it.
func (f *fitter) block(b map[string]any) bool {
	kind, _ := b["type"].(string)
	if otherBlocks[kind] != "" {
		return false
	}
	f.id(b)
	switch kind {
	case "header":
		return parts(b, part{"text", textOf(maxSlackHeader), true})
	case "section":
		parts(b, part{"text", textOf(maxSlackSection), false}, part{"fields", listOf(maxSlackFields, textOf(maxSlackField)), false},
			part{"accessory", objectOf(fitElement), false})
		return b["text"] != nil || b["fields"] != nil
	case "context":
		return parts(b, part{"elements", listOf(maxSlackElements, fitContext), true})
	case "actions":
		return parts(b, part{"elements", listOf(maxSlackActions, objectOf(fitElement)), true})
	case "context_actions":
		return parts(b, part{"elements", listOf(5, objectOf(fitElement)), true})
	case "image":
		return parts(b, part{"alt_text", altOf("image", maxSlackAlt), false}, part{"title", textOf(maxSlackAlt), false},
			part{"image_url", urlOf, true})
	case "markdown":
		return f.markdownBlock(b)
	case "rich_text":
		return fitRichText(b)
	case "alert":
		return parts(b, part{"text", textOf(maxSlackObject), true})
	case "video":
		return fitVideo(b)
	case "table", "data_table":
		return f.tableBlock(b)
	case "card":
		return fitCard(b)
	case "carousel":
		return parts(b, part{"elements", listOf(10, objectOf(fitCard)), true})
	case "container":
		return f.container(b)
	case "task_card", "plan":
		return fitTask(b)
	}
	return true
}

// id makes a block's name fit; one that is there twice goes, as Slack makes its own.
func (f *fitter) id(b map[string]any) {
	parts(b, part{"block_id", stringOf(maxSlackID), false})
	if id, ok := b["block_id"].(string); ok {
		if f.ids[id] {
			delete(b, "block_id")
		}
		f.ids[id] = true
	}
}

// markdownBlock fits a block whose limit holds for all of its kind together.
func (f *fitter) markdownBlock(b map[string]any) bool {
	if f.markdown < 1 || !parts(b, part{"text", stringOf(f.markdown), true}) {
		return false
	}
	text, _ := b["text"].(string)
	f.markdown -= slackLength(text)
	return true
}

// container fits a block of blocks.
func (f *fitter) container(b map[string]any) bool {
	return parts(b, part{"title", textOf(maxSlackHeader), false}, part{"subtitle", textOf(maxSlackHeader), false},
		part{"rich_text_title", objectOf(fitRichText), false}, part{"icon", objectOf(fitElement), false},
		part{"child_blocks", listOf(10, objectOf(f.block)), true}) && (b["title"] != nil || b["rich_text_title"] != nil)
}

// tableBlock fits a table: its rows, their cells, and the characters of all cells
// of all tables. An empty cell stays a cell, or the columns would move.
func (f *fitter) tableBlock(b map[string]any) bool {
	cell := objectOf(func(c map[string]any) bool {
		if c["type"] == "rich_text" && fitRichText(c) && richLength(c) <= f.table {
			f.table -= richLength(c)
			return true
		}
		if c["type"] == "rich_text" || f.table < 1 {
			clear(c)
			c["type"], c["text"] = "raw_text", "–"
		}
		parts(c, part{"text", altOf("–", max(1, f.table)), false})
		text, _ := c["text"].(string)
		f.table -= slackLength(text)
		return true
	})
	row := func(v any) (any, bool) {
		if f.table < 1 {
			return nil, false
		}
		return listOf(maxSlackCells, cell)(v)
	}
	return parts(b, part{"rows", listOf(100, row), true}, part{"caption", altOf("table", maxSlackAlt), false},
		part{"column_settings", listOf(20, func(v any) (any, bool) { return v, true }), false})
}

// richLength is how long the texts of rich text are.
func richLength(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		text, _ := v["text"].(string)
		n = slackLength(text) + richLength(v["elements"])
	case []any:
		for _, e := range v {
			n += richLength(e)
		}
	}
	return n
}

// fitVideo fits a video, whose limits are what its texts must stay below.
func fitVideo(b map[string]any) bool {
	return parts(b, part{"title", textOf(199), true}, part{"description", textOf(199), false}, part{"alt_text", altOf("video", maxSlackAlt), false},
		part{"author_name", stringOf(49), false}, part{"provider_name", stringOf(49), false}, part{"title_url", urlOf, false},
		part{"provider_icon_url", urlOf, false}, part{"video_url", urlOf, true}, part{"thumbnail_url", urlOf, true})
}

// fitCard fits a card, of which something must be left.
func fitCard(b map[string]any) bool {
	parts(b, part{"title", textOf(maxSlackHeader), false}, part{"subtitle", textOf(maxSlackHeader), false}, part{"body", textOf(200), false},
		part{"hero_image", objectOf(fitElement), false}, part{"icon", objectOf(fitElement), false},
		part{"actions", listOf(5, objectOf(fitElement)), false})
	return b["title"] != nil || b["body"] != nil || b["hero_image"] != nil || b["actions"] != nil
}

// fitTask fits a task, or a plan of tasks.
func fitTask(b map[string]any) bool {
	return parts(b, part{"title", stringOf(maxSlackHeader), true}, part{"task_id", stringOf(maxSlackID), true},
		part{"details", objectOf(fitRichText), false}, part{"output", objectOf(fitRichText), false},
		part{"sources", listOf(maxSlackElements, objectOf(fitElement)), false}, part{"tasks", listOf(maxSlackBlocks, objectOf(fitTask)), false})
}

// fitContext fits an element of a context block: a text or an image.
func fitContext(v any) (any, bool) {
	if m, ok := v.(map[string]any); ok && m["type"] == "image" {
		return m, fitElement(m)
	}
	return textOf(maxSlackContext)(v)
}

// fitRichText leaves empty texts out, at any depth.
func fitRichText(v map[string]any) bool {
	return parts(v, part{"elements", listOf(1<<16, func(e any) (any, bool) {
		m, ok := e.(map[string]any)
		if !ok {
			return e, e != nil
		}
		if m["type"] == "text" {
			return m, m["text"] != "" && m["text"] != nil
		}
		return m, parts(m, part{"url", urlOf, true}) && fitRichText(m)
	}), true})
}
