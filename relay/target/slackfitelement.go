package target

// fitElement makes a button, a menu, an image… fit and reports whether it stays.
func fitElement(e map[string]any) bool {
	parts(e, part{"action_id", stringOf(maxSlackID), false}, part{"confirm", objectOf(fitConfirm), false},
		part{"placeholder", textOf(150), false}, part{"accessibility_label", stringOf(maxSlackButton), false})
	switch e["type"] {
	case "button", "workflow_button":
		return parts(e, part{"text", textOf(maxSlackButton), true}, part{"value", stringOf(2000), false}, part{"url", urlOf, true})
	case "icon_button":
		return parts(e, part{"text", textOf(maxSlackButton), true}, part{"value", stringOf(2000), false})
	case "feedback_buttons":
		return parts(e, part{"positive_button", objectOf(fitFeedback), true}, part{"negative_button", objectOf(fitFeedback), true})
	case "image":
		return parts(e, part{"alt_text", altOf("image", maxSlackAlt), false}, part{"image_url", urlOf, true})
	case "checkboxes", "radio_buttons":
		return fitOptions(e, 10)
	case "overflow":
		return fitOptions(e, 5)
	case "static_select", "multi_static_select":
		return fitOptions(e, 100)
	case "url":
		return parts(e, part{"text", stringOf(maxSlackHeader), true}, part{"url", urlOf, true})
	}
	return parts(e, part{"text", textOf(maxSlackObject), true})
}

// fitFeedback fits one of two buttons.
func fitFeedback(b map[string]any) bool {
	return parts(b, part{"text", textOf(maxSlackButton), true}, part{"value", stringOf(2000), true},
		part{"accessibility_label", stringOf(maxSlackButton), false})
}

// fitOptions fits the choices of a menu. One chosen at first has to be among them,
// so none is when something was cut.
func fitOptions(e map[string]any, limit int) bool {
	option := objectOf(func(o map[string]any) bool {
		return parts(o, part{"text", textOf(75), true}, part{"value", stringOf(75), true}, part{"description", textOf(75), false}, part{"url", urlOf, false})
	})
	group := objectOf(func(g map[string]any) bool {
		return parts(g, part{"label", textOf(75), true}, part{"options", listOf(100, option), true})
	})
	if list, ok := e["options"].([]any); ok && len(list) > limit {
		delete(e, "initial_option")
		delete(e, "initial_options")
	}
	return parts(e, part{"options", listOf(limit, option), true}, part{"option_groups", listOf(100, group), true},
		part{"initial_option", option, false}, part{"initial_options", listOf(limit, option), false})
}

// fitConfirm fits the question before an action.
func fitConfirm(c map[string]any) bool {
	return parts(c, part{"title", textOf(100), true}, part{"text", textOf(300), true},
		part{"confirm", textOf(30), true}, part{"deny", textOf(30), true})
}
