package rules

// RenderHiding is Render with each piece of the text that stands outside {{ }}
// replaced by what hide makes of it: for texts that may have a secret beside
// their values, as URLs and headers do, to be shown to a person.
func (t *Text) RenderHiding(in *Input, hide func(literal string) string) (string, error) {
	hidden := *t
	hidden.pieces = make([]piece, len(t.pieces))
	for i, p := range t.pieces {
		if p.program == nil {
			p.literal = hide(p.literal)
		}
		hidden.pieces[i] = p
	}
	if t.frame == nil {
		return hidden.literal(), nil
	}
	m := t.env.acquire()
	defer t.env.release(m)
	t.frame.fill(m.vars, in)
	return hidden.render(m)
}
