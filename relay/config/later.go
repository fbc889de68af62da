package config

import (
	"reflect"

	"invitation-relay/relay/secret"
)

// later are the settings whose behaviour is still to come. They may be written
// with their default; anything else is refused, for a setting that is silently
// without effect is worse than none. A path has * for a name and [] for an
// index. Whoever builds one of them removes its line; nothing else refers to it.
var later = [...]string{
	"targets.*.digest",
}

const notYet = "not yet supported"

// refuseLater reports a setting of that list that is not its default any more.
func (d *decoder) refuseLater(a at, before, after reflect.Value) {
	for _, shape := range later {
		if shape == a.shape && !sameSetting(before, after) {
			d.file.atKey(a.path, Problem{Message: notYet, Hint: "leave it out, or at its default"})
			d.file.markBroken(a.path)
		}
	}
}

// sameSetting is equality that does not tell an empty list, or text, from none.
func sameSetting(a, b reflect.Value) bool {
	if k := a.Kind(); (k == reflect.Slice || k == reflect.Map) && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	if x, ok := reflect.TypeAssert[secret.String](a); ok {
		return x.Equal(b.Interface().(secret.String).Reveal())
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
