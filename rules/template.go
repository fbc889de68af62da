package rules

// Text is a compiled text with {{ expression }}. Immutable, safe for concurrent use.
type Text struct{}

// CompileText compiles a text whose values are escaped with esc.
func CompileText(env *Env, text string, esc Escape) (*Text, *Problem) { return &Text{}, nil }

// CompileURL compiles a URL; values are escaped for where they stand, and must not stand in scheme or host.
func CompileURL(env *Env, url string) (*Text, *Problem) { return &Text{}, nil }

// Render fills the text in.
func (t *Text) Render(in *Input) (string, error) { return "", nil }

// Tree is a compiled tree of map[string]any, []any, strings with {{ }}, numbers, bools and nil.
type Tree struct{}

// TreeProblem is a Problem and where in the tree it is.
type TreeProblem struct {
	Path string // like "blocks[0].text"
	Problem
}

// CompileTree compiles a tree's string leaves.
func CompileTree(env *Env, tree any, esc Escape) (*Tree, []TreeProblem) { return &Tree{}, nil }

// Render is a fresh tree with its leaves filled in.
func (t *Tree) Render(in *Input) (any, error) { return nil, nil }

// Value is a compiled expression of any type.
type Value struct{}

// CompileValue compiles one expression.
func CompileValue(env *Env, expression string) (*Value, *Problem) { return &Value{}, nil }

// Eval is the expression's value for an event.
func (v *Value) Eval(in *Input) (any, error) { return nil, nil }
