package config

import (
	"slices"
	"strings"

	"invitation-relay/rules"
)

// shape checks what of an event leaves by a target. A wrong name in mask would
// show what was to be hidden, so it is a mistake; only where a source takes any
// object, a name that is like none we know may be meant.
func (k *checker) shape(at string, t *Target) {
	k.fieldNames(at+".fields", t.Fields, false)
	k.fieldNames(at+".mask", t.Mask, false)
	for i, name := range t.Mask {
		path := index(at+".mask", i)
		if len(t.Fields) > 0 && !slices.Contains(t.Fields, name) {
			k.wrong(path, "does not leave, since fields does not list it", "take it out here, or add it to fields")
			continue
		}
		if f, ok := k.field(name); ok && f.Documented && f.Type != rules.String && f.Type != rules.Any {
			k.wrong(path, "only texts can be masked, and this is of type "+f.Type.String(), "list in fields what may leave, without it")
		}
	}
}

// privacy checks the fields that are masked wherever a body is shown. Those that
// no source has harm nothing.
func (k *checker) privacy() { k.fieldNames("privacy.fields", k.c.Privacy.Fields, true) }

// fieldNames checks that each entry of a list is a top-level field of some source.
func (k *checker) fieldNames(at string, list []string, lenient bool) {
	for _, s := range k.c.SourcesInOrder() {
		if sat := dot("sources", s.Name); k.brokenBelow(sat+".preset") || k.brokenBelow(sat+".fields") {
			return // what fields there are is not known
		}
		lenient = lenient || s.Preset == "json"
	}
	var known []string
	for _, f := range k.c.Env.SenderFields() {
		known = append(known, f.Name)
	}
	for i, name := range list {
		path := index(at, i)
		_, exact := k.field(name)
		near := nearest(name, known)
		switch {
		case exact && slices.Contains(list[:i], name):
			k.doubt(path, "is listed twice", "")
		case exact, at == "privacy.fields" && (name == "full_name" || name == "cifcod"): // those stand when nothing is said
		case strings.ContainsAny(name, ".[]") && !lenient:
			k.wrong(path, "is not a top-level field; fields inside of others cannot be named here", "name the field that holds it")
		case near != "" && at != "privacy.fields":
			k.wrong(path, "no source has a field of this name", `did you mean "`+near+`"?`)
		case near != "":
			k.doubt(path, "no source has a field of this name", `did you mean "`+near+`"?`)
		case lenient:
			k.doubt(path, "no source is known to have a top-level field of this name", "the source's fields can declare it: {region: string}")
		default:
			k.wrong(path, "no source has a field of this name", "the source's fields can declare it: {region: string}")
		}
	}
}

// field is a sender's field of a name.
func (k *checker) field(name string) (rules.Field, bool) {
	fields := k.c.Env.SenderFields()
	i := slices.IndexFunc(fields, func(f rules.Field) bool { return f.Name == name })
	if i < 0 {
		return rules.Field{}, false
	}
	return fields[i], true
}

// emptied warns of texts that name a field which does not leave: nothing stands
// there in the message. of has been found without mistakes.
func (k *checker) emptied(at string, t *Target, of kind, place func(path string) string) {
	if len(t.Fields) == 0 {
		return
	}
	env := k.c.Env.Without(func(name string) bool { return !slices.Contains(t.Fields, name) })
	of.Check(env, func(path string, line, col int, _, _ string) {
		k.foreign(place(path), place(path), line, col, Problem{
			Message: "names a field that does not leave, so nothing stands here", Hint: "add it to " + at + ".fields, or take it out here", Warning: true,
		})
	})
}
