package rules

import (
	"net/url"
	"strings"
)

// CompileURL compiles a URL with {{ }} in its path or its query; values are
// escaped for where they stand (URLPath, URLQuery), so that whatever they are,
// scheme, host, number of segments and number of parameters stay as written.
// A {{ }} before the path is a Problem: an event must not choose who gets it.
//
// A URL often holds a secret: no Problem quotes any of its text outside {{ }}.
func CompileURL(env *Env, text string) (*Text, *Problem) {
	parts, problem := scan(text)
	if problem != nil {
		return nil, problem
	}
	escapes := make([]Escape, len(parts))
	literal := "" // the URL so far, a letter for each value
	for i, part := range parts {
		if !part.expression {
			literal += part.text
			continue
		}
		esc, wrong := urlEscape(literal)
		if wrong != "" {
			return nil, &Problem{Line: part.start.line, Col: part.start.col - len(opening), Message: wrong}
		}
		escapes[i] = esc
		literal += "x"
	}
	if wrong := checkURL(literal); wrong != "" {
		return nil, &Problem{Line: 1, Col: 1, Message: wrong}
	}
	return env.text(parts, func(i int) Escape { return escapes[i] })
}

// urlEscape is the escape for a value behind the beginning of a URL.
func urlEscape(before string) (esc Escape, wrong string) {
	_, rest, ok := strings.Cut(before, "://")
	end := strings.IndexAny(rest, `/?#\`)
	switch {
	case !ok:
		return nil, "{{ }} cannot stand in the scheme of a URL: which server gets the event must be fixed"
	case end < 0:
		return nil, "{{ }} cannot stand in the host of a URL: which server gets the event must be fixed"
	case strings.Contains(rest, "#"):
		return nil, "{{ }} cannot stand behind # in a URL: that part is never sent"
	case strings.Contains(rest, "?"):
		return URLQuery, ""
	}
	return URLPath, ""
}

func checkURL(s string) (wrong string) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "this is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "the URL must begin with http:// or https://"
	case u.Hostname() == "":
		return "the URL has no host"
	}
	return ""
}
