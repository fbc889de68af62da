package rules

import (
	"reflect"
	"strings"
)

// These replace functions of the language whose results, or whose time, nothing
// bounds.

// uniqFunc keeps the first of equal elements. Comparing each with every other
// would take too long, so it compares what they read as.
func uniqFunc(args ...any) (any, error) {
	list := reflect.ValueOf(args[0])
	switch {
	case list.Kind() != reflect.Slice:
		return nil, funcError("uniq() needs a list")
	case list.Len() > 1000:
		return nil, funcError("uniq() takes at most 1,000 elements")
	}
	out, seen := make([]any, 0, list.Len()), make(map[string]bool, list.Len())
	for i := range list.Len() {
		x := list.Index(i).Interface()
		text, err := toText(x)
		if err != nil {
			return nil, err
		}
		if _, number := numberOf(x); !number && x != nil {
			text = reflect.TypeOf(x).String() + " " + text
		}
		if !seen[text] {
			seen[text] = true
			out = append(out, x)
		}
	}
	return out, nil
}

// joinFunc bounds what join() may make: a long text between the elements of a
// long list is of any size.
func joinFunc(args ...any) (any, error) {
	var glue string
	if len(args) > 1 {
		var ok bool
		if glue, ok = args[1].(string); !ok {
			return nil, funcError("join() needs a text as its second argument")
		}
	}
	list, size := reflect.ValueOf(args[0]), 0
	if list.Kind() != reflect.Slice {
		return nil, funcError("join() needs a list of texts")
	}
	texts := make([]string, list.Len())
	for i := range texts {
		text, ok := reflect.TypeAssert[string](list.Index(i))
		if texts[i] = text; !ok {
			return nil, funcError("join() needs a list of texts")
		}
		if size += len(text) + len(glue); size > maxReplaced {
			return nil, funcError("join() would make too long a text")
		}
	}
	return strings.Join(texts, glue), nil
}

// maxReplaced bounds what replace() and join() may make. With an empty or short
// old text and a long new one, replace() multiplies sizes.
const maxReplaced = 1 << 20

func replaceFunc(args ...any) (any, error) {
	s, ok1 := args[0].(string)
	old, ok2 := args[1].(string)
	with, ok3 := args[2].(string)
	if !ok1 || !ok2 || !ok3 {
		return nil, funcError("replace() needs texts")
	}
	n := -1
	if len(args) > 3 {
		if n, ok1 = toInt(args[3]); !ok1 {
			return nil, funcError("replace() needs an integer as its fourth argument")
		}
	}
	if strings.Count(s, old)*len(with) > maxReplaced {
		return nil, funcError("replace() would make too long a text")
	}
	return strings.Replace(s, old, with, n), nil
}
