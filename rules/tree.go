package rules

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// Tree is a compiled tree of map[string]any, []any, strings with {{ }},
// numbers, bools and nil: a JSON body or Slack blocks. It is immutable and safe
// for concurrent use.
type Tree struct {
	env   *Env
	root  node
	frame *frame
}

// TreeProblem is a Problem and where in the tree it is: "blocks[0].text", ""
// for the root. Line and column are those within the string there.
type TreeProblem struct {
	Path string
	Problem
}

// node is one of: a fixed value, a text, a value that keeps its type, a list,
// an object.
type node struct {
	path  string
	fixed any
	text  *Text
	typed bool // text is exactly one {{ }}
	list  []node
	keys  []string // of an object whose values are in list
}

// CompileTree compiles a tree. All problems are reported, in the order of the
// paths; the Tree is nil when there are any.
func CompileTree(env *Env, tree any, esc Escape) (*Tree, []TreeProblem) {
	c := treeCompiler{env: env, esc: esc, names: map[string]bool{}}
	root := c.compile("", tree)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return &Tree{env: env, root: root, frame: env.frame(slices.Sorted(maps.Keys(c.names)))}, nil
}

type treeCompiler struct {
	env      *Env
	esc      Escape
	names    map[string]bool
	problems []TreeProblem
}

func (c *treeCompiler) wrong(path string, p Problem) {
	c.problems = append(c.problems, TreeProblem{Path: path, Problem: p})
}

func (c *treeCompiler) compile(path string, v any) node {
	n := node{path: path}
	switch v := v.(type) {
	case string:
		t, problem := CompileText(c.env, v, c.esc)
		if problem != nil {
			c.wrong(path, *problem)
			return n
		}
		for _, p := range t.pieces {
			if p.program != nil {
				for _, name := range p.names {
					c.names[name] = true
				}
			}
		}
		if t.frame == nil {
			n.fixed = v
			return n
		}
		n.text, n.typed = t, len(t.pieces) == 1
	case []any:
		n.list = make([]node, len(v))
		for i := range v {
			n.list[i] = c.compile(path+"["+strconv.Itoa(i)+"]", v[i])
		}
	case map[string]any:
		n.keys = slices.Sorted(maps.Keys(v))
		n.list = make([]node, 0, len(v))
		for _, key := range n.keys {
			below := key
			if path != "" {
				below = path + "." + key
			}
			n.list = append(n.list, c.compile(below, v[key]))
		}
		if n.keys == nil {
			n.keys = []string{}
		}
	case time.Time:
		c.wrong(path, Problem{Message: "a date must be put in quotes"})
	default:
		if !plainValue(v) {
			c.wrong(path, Problem{Message: "only texts, numbers, true, false, null, lists and objects can stand here"})
		}
		n.fixed = v
	}
	return n
}

// plainValue is true for nil, bools and the numbers that JSON has.
func plainValue(v any) bool {
	r := reflect.ValueOf(v)
	switch {
	case v == nil || r.Kind() == reflect.Bool || r.CanInt() || r.CanUint():
		return true
	case r.CanFloat():
		return !math.IsNaN(r.Float()) && !math.IsInf(r.Float(), 0)
	}
	return false
}

// Render is a fresh tree, the caller's to change. A leaf that is exactly one
// {{ }} keeps its value's type (a time and other things JSON has no form for
// become text); every string that comes from the event is escaped, inside lists
// and objects too. Its error says where and why, and quotes no value.
func (t *Tree) Render(in *Input) (any, error) {
	m := t.env.acquire()
	defer t.env.release(m)
	t.frame.fill(m.vars, in)
	return t.root.render(m)
}

func (n *node) render(m *machine) (any, error) {
	switch {
	case n.typed:
		p := &n.text.pieces[0]
		v, err := m.run(p.program)
		if err != nil {
			return nil, n.failed(err)
		}
		out, err := toJSON(v, p.esc)
		if err != nil {
			return nil, n.failed(p.failure(err))
		}
		return out, nil
	case n.text != nil:
		s, err := n.text.render(m)
		if err != nil {
			return nil, n.failed(err)
		}
		return s, nil
	case n.keys != nil:
		out := make(map[string]any, len(n.keys))
		for i, key := range n.keys {
			v, err := n.list[i].render(m)
			if err != nil {
				return nil, err
			}
			out[key] = v
		}
		return out, nil
	case n.list != nil:
		out := make([]any, len(n.list))
		for i := range n.list {
			v, err := n.list[i].render(m)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}
	return n.fixed, nil
}

func (n *node) failed(err error) error {
	if n.path == "" {
		return err
	}
	if _, ok := errors.AsType[*EvalError](err); !ok {
		return err
	}
	return fmt.Errorf("%s: %w", n.path, err)
}
