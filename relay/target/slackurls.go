package target

import (
	"fmt"
	"slices"
	"strings"
)

// urlSource is a leaf of blocks that is a URL with expressions in it.
type urlSource struct {
	path   []any // keys (string) and indexes (int) from the root
	source string
}

// where is the leaf's path in words: "[1].elements[0].url".
func (u urlSource) where() string {
	var b strings.Builder
	for _, p := range u.path {
		switch p := p.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", p)
		case string:
			b.WriteString("." + p)
		}
	}
	return b.String()
}

// splitURLs copies blocks without the leaves that Slack takes for URLs and that
// have expressions in them, and lists those: a value in a URL has to be escaped
// for a URL, or it could change where a button leads.
func splitURLs(blocks []any) (tree []any, urls []urlSource) {
	var walk func(v any, path []any) any
	walk = func(v any, path []any) any {
		switch v := v.(type) {
		case map[string]any:
			m := make(map[string]any, len(v))
			for k, e := range v {
				at := append(slices.Clone(path), k)
				if s, ok := e.(string); ok && isURLKey(k) && hasExpression(s) {
					urls = append(urls, urlSource{at, s})
					m[k] = ""
					continue
				}
				m[k] = walk(e, at)
			}
			return m
		case []any:
			list := make([]any, len(v))
			for i, e := range v {
				list[i] = walk(e, append(slices.Clone(path), i))
			}
			return list
		default:
			return v
		}
	}
	tree, _ = walk(blocks, nil).([]any)
	return tree, urls
}

// isURLKey reports whether Slack takes the member for a URL.
func isURLKey(key string) bool { return key == "url" || strings.HasSuffix(key, "_url") }

// setLeaf sets a leaf of a tree that has one there.
func setLeaf(tree any, path []any, value string) {
	for i, p := range path {
		last := i == len(path)-1
		switch p := p.(type) {
		case int:
			list, ok := tree.([]any)
			if !ok || p >= len(list) {
				return
			}
			if last {
				list[p] = value
			}
			tree = list[p]
		case string:
			m, ok := tree.(map[string]any)
			if !ok {
				return
			}
			if last {
				m[p] = value
			}
			tree = m[p]
		}
	}
}
