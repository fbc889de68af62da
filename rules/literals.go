package rules

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
)

// comparison checks literals compared with a field whose values are known.
func (c *checker) comparison(n *ast.BinaryNode) {
	switch n.Operator {
	case "==", "!=":
		c.literal(n.Left, n.Right)
		c.literal(n.Right, n.Left)
	case "in":
		if list, ok := n.Right.(*ast.ArrayNode); ok {
			for _, element := range list.Nodes {
				c.literal(n.Left, element)
			}
		}
	case "matches":
		if pattern, ok := n.Right.(*ast.StringNode); ok {
			c.pattern(pattern)
		}
	}
}

func (c *checker) literal(side, other ast.Node) {
	f, warnOnly := c.field(side)
	value, ok := other.(*ast.StringNode)
	if f == nil || !ok || value.Value == "" || len(f.Known) == 0 || slices.Contains(f.Known, value.Value) {
		return // "" asks whether the field is absent
	}
	p := Problem{
		Message: fmt.Sprintf("%q is not a known value of %s", value.Value, f.Name),
		Hint:    "known: " + strings.Join(f.Known, ", "),
		Warning: true, // the vendor may have new ones
	}
	for _, known := range f.Known {
		if edits(value.Value, known, 2) <= min(2, slips(known)) {
			p.Hint = "did you mean " + strconv.Quote(known) + "?"
			p.Warning = warnOnly
			break
		}
	}
	c.report(other, p)
}

// field is the field an operand reads: x, payload.x, payload["x"], x ?? y.
func (c *checker) field(n ast.Node) (f *Field, warnOnly bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return c.env.byName[n.Value], false
	case *ast.ChainNode:
		return c.field(n.Node)
	case *ast.BinaryNode:
		if n.Operator == "??" {
			return c.field(n.Left)
		}
	case *ast.MemberNode:
		if key, ok := n.Property.(*ast.StringNode); ok && isName(n.Node, namePayload) {
			return c.env.byName[key.Value], !c.env.shared[key.Value]
		}
	}
	return nil, false
}

func (c *checker) pattern(n *ast.StringNode) {
	_, err := regexp.Compile(n.Value)
	if err == nil {
		return
	}
	p := Problem{Message: "the pattern is not a regular expression"}
	if se, ok := errors.AsType[*syntax.Error](err); ok {
		p.Message += ": " + se.Code.String()
	}
	c.report(n, p)
}

func (c *checker) zone(n *ast.CallNode) {
	if !isName(n.Callee, "timezone") || len(n.Arguments) != 1 {
		return
	}
	name, ok := timezoneName(n)
	if !ok {
		c.report(n, Problem{Message: "timezone() needs a fixed name", Hint: `for example timezone("Europe/Berlin")`})
		return
	}
	if _, err := loadZone(name); err != nil {
		c.report(n.Arguments[0], Problem{
			Message: fmt.Sprintf("unknown time zone %q", name),
			Hint:    `names are those of the IANA database, for example "Europe/Berlin"`,
		})
	}
}

// checkCalls looks at methods, once types are known: a member of a payload can
// never be called, and one method of a time depends on the machine.
func (p *program) checkCalls() (problem Problem, bad bool) {
	report := func(n ast.Node, found Problem) {
		if !bad {
			problem, bad = found, true
			problem.Line, problem.Col = at(p.source, n.Location().From)
		}
	}
	ast.Walk(&p.root, visitor(func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CallNode:
			if !ours(n) && n.Callee.Type().Kind() != reflect.Func {
				report(n, Problem{Message: "this is a value, not a function"})
			}
		case *ast.MemberNode:
			name, ok := n.Property.(*ast.StringNode)
			if ok && name.Value == "Local" && n.Node.Type() == reflect.TypeFor[time.Time]() {
				report(n, Problem{
					Message: "Local() depends on the machine",
					Hint:    `write In(timezone("Europe/Berlin"))`,
				})
			}
		}
	}))
	return problem, bad
}

// quotedNumberHint is for attempts == "3", where the quotes are the mistake.
func quotedNumberHint(source string, root ast.Node, p Problem) (hint string) {
	ast.Walk(&root, visitor(func(n ast.Node) {
		b, ok := n.(*ast.BinaryNode)
		if !ok {
			return
		}
		if line, col := at(source, b.Location().From); line != p.Line || col != p.Col {
			return
		}
		for _, side := range []ast.Node{b.Left, b.Right} {
			s, ok := side.(*ast.StringNode)
			if !ok {
				continue
			}
			if _, err := strconv.ParseFloat(s.Value, 64); err == nil {
				hint = "write " + s.Value + " without quotes"
			}
		}
	}))
	return hint
}
