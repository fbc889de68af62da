package rules

import "slices"

// SenderFields are the fields that senders' objects have, sorted: Fields without
// what the relay adds.
func (e *Env) SenderFields() []Field {
	return slices.DeleteFunc(e.Fields(), func(f Field) bool { return reserved(f.Name) })
}

// Without is the Env for expressions that may not name the hidden ones of the
// senders' fields: a check finds such an expression by it.
func (e *Env) Without(hidden func(name string) bool) *Env {
	some := *e
	some.fields = slices.DeleteFunc(e.Fields(), func(f Field) bool { return !reserved(f.Name) && hidden(f.Name) })
	some.byName = map[string]*Field{}
	for i := range some.fields {
		some.byName[some.fields[i].Name] = &some.fields[i]
	}
	some.inWhen, some.inText = some.options(true), some.options(false)
	return &some
}
