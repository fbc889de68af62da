package rules_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// generator makes expressions that mostly compile and often fail at run time,
// and payloads that have what they ask for, or something else, or nothing.
type generator struct {
	*rand.Rand
	loops int // how many lists the expression goes through here
}

// pick is one of several ways, with a cheap one when the expression is deep.
func (g *generator) pick(depth int, cheap int, ways ...func() string) string {
	if depth <= 0 {
		return ways[g.IntN(cheap)]()
	}
	return ways[g.IntN(len(ways))]()
}

func (g *generator) one(list ...string) string { return list[g.IntN(len(list))] }

// boolean makes an expression that is true or false.
func (g *generator) boolean(depth int) string {
	d := depth - 1
	return g.pick(depth, 7,
		func() string { return g.text(d) + g.one(" == ", " != ") + g.text(d) },
		func() string { return g.number(d) + g.one(" == ", " != ", " < ", " <= ", " > ", " >= ") + g.number(d) },
		func() string { return g.free(d) + g.one(" == ", " != ", " < ", " >= ") + g.free(d) },
		func() string {
			return g.one("transaction_status", "payload.transaction_status", g.free(0)) + g.one(" in ", " not in ") +
				g.one(`["ACCEPTED", "REJECTED"]`, `["REJECTED"]`, "["+g.text(0)+", "+g.text(0)+"]")
		},
		func() string { return g.one("vip", "true", "false", "vip ?? false", "unmatched", "payload.flag") },
		func() string {
			return g.text(d) + g.one(" contains ", " startsWith ", " endsWith ", " matches ", " not contains ") +
				g.one(`"J"`, `"-"`, `"^[A-Z]"`, g.text(0))
		},
		func() string { return g.number(d) + g.one(" in 1..3", " in [1, 3]", " in [1, 2.5]", " not in 2..4") },
		func() string { return "(" + g.boolean(d) + g.one(" && ", " and ", " || ", " or ") + g.boolean(d) + ")" },
		func() string { return "(" + g.boolean(d) + g.one(" && ", " || ") + g.boolean(d) + ")" },
		func() string { return g.one("!", "not ") + "(" + g.boolean(d) + ")" },
		func() string { return "(" + g.boolean(d) + " ? " + g.boolean(d) + " : " + g.boolean(d) + ")" },
		func() string { return "(if " + g.boolean(d) + " {" + g.boolean(d) + "} else {" + g.boolean(d) + "})" },
		func() string {
			return g.one("any", "all", "none", "one") + "(" + g.list(d) + ", " + g.predicate(d) + ")"
		},
		func() string {
			return "count(" + g.list(d) + ", " + g.predicate(d) + ")" + g.one(" > 0", " >= 2", " == 1", " < 3")
		},
		func() string { return g.number(0) + " < " + g.number(0) + " <= " + g.number(0) },
		func() string {
			return "(let v = " + g.free(d) + "; v == " + g.free(0) + g.one(" || ", " && ") + g.boolean(d) + ")"
		},
		func() string {
			return g.one(`received_at > date("2026-11-01")`, "received_at.Hour() == 22", `received_at.In(timezone("Asia/Tokyo")).Day() > `+g.number(0))
		},
		func() string {
			return "(" + g.one("vip", "payload.flag", "payload?.deep?.flag") + " ?? " + g.boolean(d) + ")"
		},
		func() string { return g.free(d) },
	)
}

func (g *generator) predicate(depth int) string {
	g.loops++
	defer func() { g.loops-- }()
	if g.IntN(3) == 0 {
		return g.one(".passed", ".passed == true", `.name == "liveness"`, ".score > 1", "# != nil", `.name contains "id"`, "#index > 0")
	}
	return g.boolean(depth)
}

func (g *generator) text(depth int) string {
	d := depth - 1
	return g.pick(depth, 5,
		func() string {
			return g.one("transaction_status", "full_name", "cifcod", "region", "id", "ticket", "invitation_state")
		},
		func() string { return g.one(`"REJECTED"`, `"Jon Doe"`, `"DE"`, `""`, `"i-1"`) },
		func() string { return g.one("payload.region", "payload.deep?.name", "payload.name", "flow_status") },
		func() string {
			if g.loops == 0 {
				return "source"
			}
			return g.one(".name", "#.name", ".other")
		},
		func() string { return "(region ?? " + g.one(`"DE"`, "full_name", "nil") + ")" },
		func() string {
			return g.one("upper", "lower", "trim", "mask", "initials", "string") + "(" + g.text(d) + ")"
		},
		func() string { return "truncate(" + g.text(d) + ", " + g.number(0) + ")" },
		func() string { return "(" + g.text(d) + " + " + g.text(d) + ")" },
		func() string { return "(" + g.boolean(d) + " ? " + g.text(d) + " : " + g.text(d) + ")" },
		func() string { return g.text(d) + g.one("[0:1]", "[1:]", "[:2]", "[-1:]") },
		func() string { return "join(map(" + g.list(d) + `, string(#)), "-")` },
		func() string { return g.list(d) + "[" + g.number(0) + "].name" },
		func() string { return "replace(" + g.text(d) + `, "o", ` + g.text(0) + ")" },
	)
}

func (g *generator) number(depth int) string {
	d := depth - 1
	return g.pick(depth, 4,
		func() string { return g.one("attempts", "tries", "score", "payload.attempts", "confidence_score") },
		func() string { return strconv.Itoa(g.IntN(6) - 1) },
		func() string { return g.one("2.5", "0.0", "(score ?? 1)", "(tries ?? 0)", "payload.deep.n") },
		func() string {
			if g.loops == 0 {
				return "attempts"
			}
			return g.one(".score", "#index", "(.score ?? 0)")
		},
		func() string {
			return "(" + g.number(d) + g.one(" + ", " - ", " * ", " / ", " % ", " ** ") + g.number(d) + ")"
		},
		func() string { return "-" + g.number(0) },
		func() string { return "len(" + g.one(g.text(d), g.list(d), g.free(d)) + ")" },
		func() string {
			return g.one("int", "float", "abs", "round") + "(" + g.one(g.number(d), g.free(d)) + ")"
		},
		func() string { return g.one("min", "max") + "(" + g.number(d) + ", " + g.number(d) + ")" },
		func() string { return "sum(" + g.list(d) + ", .score)" },
		func() string { return "count(" + g.list(d) + ", " + g.predicate(d) + ")" },
		func() string { return "len(filter(" + g.list(d) + ", " + g.predicate(d) + "))" },
		func() string { return "reduce(" + g.list(d) + ", #acc + (.score ?? 1), " + g.number(0) + ")" },
		func() string { return "(" + g.boolean(d) + " ? " + g.number(d) + " : " + g.number(d) + ")" },
	)
}

func (g *generator) list(depth int) string {
	d := depth - 1
	return g.pick(depth, 3,
		func() string { return "payload.checks" },
		func() string {
			return g.one("(payload.checks ?? [])", "payload.none", "(extra ?? [])", "payload.numbers")
		},
		func() string { return g.one("1..4", "[1, 2, 3]", "[attempts, score]", `[{"name": "id", "score": 2}]`) },
		func() string { return "filter(" + g.list(d) + ", " + g.predicate(d) + ")" },
		func() string {
			return "map(" + g.list(d) + ", " + g.one(".name", ".score", "#", "{name: .name, score: #index}") + ")"
		},
		func() string { return "sortBy(" + g.list(d) + ", .score)" },
		func() string { return g.list(d) + "[1:]" },
		func() string { return "map(filter(" + g.list(d) + ", " + g.predicate(d) + "), .name)" },
		func() string {
			return "filter(filter(" + g.list(d) + ", " + g.predicate(0) + "), " + g.predicate(d) + ")"
		},
		func() string { return "concat(" + g.list(d) + ", " + g.list(d) + ")" },
	)
}

// free makes an expression of no known type.
func (g *generator) free(depth int) string {
	d := depth - 1
	return g.pick(depth, 3,
		func() string {
			return g.one("payload.a", "payload.b", "payload.deep", "extra", "risk_code", `payload["odd name"]`, "payload.checks[0]", "nil")
		},
		func() string {
			return g.one("payload?.deep?.n", "payload.deep?.x?.y", "payload.deep.n", "extra?.n ?? 3")
		},
		func() string { return g.one(g.text(0), g.number(0)) },
		func() string {
			return g.one("find", "findIndex") + "(" + g.list(d) + ", " + g.predicate(d) + ")"
		},
		func() string { return g.one("first", "last") + "(" + g.list(d) + ")" },
		func() string { return "filter(" + g.list(d) + ", " + g.predicate(d) + ")" + g.one("[0]", "[-1]") },
		func() string { return "{a: " + g.free(d) + ", b: " + g.boolean(d) + "}" + g.one(".a", ".b", "") },
		func() string { return "(" + g.free(d) + " ?? " + g.free(d) + ")" },
		func() string { return "groupBy(" + g.list(d) + ", .name)" },
		func() string { return "[" + g.free(d) + ", " + g.number(d) + "][" + g.number(0) + "]" },
	)
}

// value is what a stranger may put anywhere.
func (g *generator) value(depth int) any {
	switch n := g.IntN(11); {
	case n == 0:
		return nil
	case n == 1:
		return g.IntN(2) == 0
	case n <= 3:
		return float64(g.IntN(6) - 1)
	case n == 4:
		return 2.5
	case n <= 7:
		return g.one("", "REJECTED", "Jon Doe", "liveness", "DE", "\u202ex\n", strings.Repeat("é", 40))
	case n == 8 && depth > 0:
		return map[string]any{"n": g.value(depth - 1), "name": g.value(0), "flag": g.value(0), "x": g.value(depth - 1)}
	case depth > 0:
		list := make([]any, g.IntN(12))
		for i := range list {
			list[i] = map[string]any{"name": g.one("liveness", "id"), "passed": g.IntN(2) == 0, "score": g.value(0)}
			if g.IntN(8) == 0 {
				list[i] = g.value(0)
			}
		}
		return list
	}
	return nil
}

// payload is what intake lets through: documented fields have their types.
func (g *generator) payload() map[string]any {
	p := map[string]any{}
	put := func(share int, name string, v any) {
		if g.IntN(10) < share {
			p[name] = v
		}
	}
	put(9, "id", g.one("i-1", "i-2"))
	put(9, "transaction_status", g.one("REJECTED", "ACCEPTED", "OTHER"))
	put(8, "full_name", g.one("Jon Doe", "O'Brien & Söhne <x>", ""))
	put(8, "cifcod", g.one("C-1", "C-2"))
	put(8, "ticket", "t-1")
	put(9, "attempts", g.IntN(5))
	for _, name := range []string{"region", "score", "vip", "tries", "extra", "flow_status", "confidence_score", "risk_code", "a", "b", "odd name", "flag", "name"} {
		put(6, name, g.value(2))
	}
	put(5, "region", g.one("DE", "US"))
	put(5, "score", float64(g.IntN(4)))
	put(5, "vip", g.IntN(2) == 0)
	put(5, "tries", float64(g.IntN(4)))
	put(8, "checks", g.value(3))
	put(8, "checks", []any{map[string]any{"name": "liveness", "passed": true, "score": 1.0}, map[string]any{"name": "id", "passed": false, "score": 2.0}})
	put(8, "deep", map[string]any{"n": g.value(1), "name": g.value(0), "flag": g.value(0)})
	put(5, "numbers", []any{1.0, 2.0, 3.0})
	return p
}

// describe is a payload for a failure's message.
func describe(payload map[string]any) string { return fmt.Sprintf("%#v", payload) }
