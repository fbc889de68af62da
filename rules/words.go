package rules

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// compileWords words an error of the compiler for people who know the
// expressions of the documentation and nothing of Go. What it does not know
// becomes a plain sentence rather than something from the inside.
func compileWords(text string) (message, hint string) {
	for _, w := range compileErrors {
		if m := w.pattern().FindStringSubmatch(text); m != nil {
			return w.words(m[1:])
		}
	}
	return "this is not a valid expression", ""
}

// wording compiles its pattern when it is first asked: a relay whose rules are
// right never does, and starts the sooner.
type wording struct {
	pattern func() *regexp.Regexp
	words   func(m []string) (message, hint string)
}

func worded(pattern string, words func(m []string) (string, string)) wording {
	return wording{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\A(?s:` + pattern + `)\z`) }), words}
}

// fixed is a wording of its own; each %s takes one group, a type in our words.
func fixed(pattern, format, hint string) wording {
	return worded(pattern, func(m []string) (string, string) {
		args := make([]any, len(m))
		for i := range m {
			args[i] = typeWord(m[i])
		}
		return fmt.Sprintf(format, args...), hint
	})
}

// compileErrors are the messages of github.com/expr-lang/expr v1.17.8; a test
// walks through them, so that an update which changes them is noticed.
var compileErrors = []wording{
	worded(`unexpected token (.*)`, unexpectedToken),
	worded(`unrecognized character: U\+[0-9A-F]+(?: '(.*)')?`, unrecognized),
	fixed(`unexpected end of expression`, "the expression ends too early", ""),
	fixed(`literal not terminated`, "a text in quotes is not closed", ""),
	fixed(`invalid char escape|unable to unescape.*`, `this backslash means nothing in a text`, `write \\ for a backslash, or put the text in back quotes`),
	fixed(`unclosed comment`, "a comment is not closed", ""),
	fixed(`expected name`, "a name must follow the dot", ""),
	fixed(`expected at least \d+ arguments`, "too few arguments", ""),
	fixed(`wrap predicate with brackets.*`, "several steps in a condition need { }", ""),
	fixed(`a map key must be .*`, "a key must be a name, a number, a text in quotes or an expression in parentheses", ""),
	fixed(`(?:integer|float) literal is too large|invalid [a-z]+ literal: .*value out of range`, "this number is too large", ""),
	fixed(`bad number syntax: .*|invalid [a-z]+ literal: .*`, "this is not a number", ""),
	fixed(`compilation failed: expression exceeds .*`, "the expression is too large: more than "+strconv.Itoa(maxNodes)+" parts", ""),
	worded(`Operator \((.+)\) and coalesce expressions .*`, func(m []string) (string, string) {
		return "?? cannot be mixed with " + m[0], "put the part with ?? in parentheses"
	}),
	worded(`unknown (?:name|field) (.*)`, func(m []string) (string, string) {
		return fmt.Sprintf("unknown name %q", m[0]), ""
	}),
	worded(`invalid operation: (\S+) \(mismatched types (.*) and (.*)\)`, mismatch),
	fixed(`invalid operation: (?:not|!) \(mismatched type (.*)\)`, "not needs true or false, but this is %s", ""),
	fixed(`invalid operation: [-+] \(mismatched type (.*)\)`, "the sign needs a number, but this is %s", ""),
	fixed(`cannot use (.*) as type (.*) in array`, "cannot look for %s in a list with %s", ""),
	fixed(`cannot use (.*) as type (.*) in map key`, "a member of an object is named by a string, not by %[1]s%.0[2]s", ""),
	fixed(`cannot use (.*) to get an element from .*`, "a member of an object is named by a string, not by %s", ""),
	fixed(`array elements can only be selected using an integer \(got (.*)\)`, "an element of a list is chosen by an integer, not by %s", ""),
	worded(`type (.*) has no (?:field|method) (.*)`, noMember),
	fixed(`type (.*)\[(.*)\] is undefined`, "%[1]s has no elements%.0[2]s", ""),
	fixed(`cannot slice (.*)`, "cannot take a part of %s", ""),
	fixed(`non-integer slice index (.*)`, "a part of a list is chosen by integers, not by %s", ""),
	fixed(`(.*) is not callable`, "this is %s, not a function", ""),
	worded(`builtin (\w+) takes only array \(got (.*)\)`, func(m []string) (string, string) {
		return m[0] + "() needs a list, not " + typeWord(m[1]), ""
	}),
	fixed(`predicate should return boolean \(got (.*)\)`, "the condition must be true or false, but this is %s", ""),
	fixed(`predicate should has .*`, "the condition gives no value", ""),
	worded(`invalid number of arguments.*\(expected (.*), got (\d+)\)`, func(m []string) (string, string) {
		return "wrong number of arguments: expected " + m[0] + ", got " + m[1], ""
	}),
	worded(`(too many|not enough) arguments to call (.*)`, func(m []string) (string, string) {
		if overloaded(m[1]) { // the compiler speaks of the last form it tried
			return "the arguments do not fit " + m[1] + "()", ""
		}
		return m[0] + " arguments for " + m[1] + "()", ""
	}),
	worded(`cannot use (.*) as argument \(type (.*)\) to call (\S*) ?`, func(m []string) (string, string) {
		return m[2] + "() needs " + typeWord(m[1]) + ", not " + typeWord(m[0]), ""
	}),
	worded(`invalid argument for (\w+) \(type (.*)\)`, func(m []string) (string, string) {
		return m[0] + "() cannot take " + typeWord(m[1]), ""
	}),
	worded(`cannot (take|concat|reverse|flatten|uniq|get \w+ element from) (.*)`, func(m []string) (string, string) {
		return "this needs a list, not " + typeWord(strings.TrimPrefix(m[1], "from ")), ""
	}),
	fixed(`no matching overload for .*`, "the arguments do not fit this function", ""),
	fixed(`cannot use pointer accessor outside predicate`, "# stands for an element only inside all(), any(), filter() and the like", ""),
	worded(`unknown pointer #(.*)`, func(m []string) (string, string) {
		return fmt.Sprintf("unknown name %q", "#"+m[0]), "#, #index and in reduce() #acc are known"
	}),
	worded(`cannot redeclare (?:(?:variable|function|builtin) )?(.*)`, func(m []string) (string, string) {
		return fmt.Sprintf("the name %q is taken", m[0]), "choose another name after let"
	}),
	fixed(`non-bool expression \(type (.*)\) used as condition`, "the condition must be true or false, but this is %s", ""),
	fixed(`integer divide by zero`, "division by zero", ""),
	fixed(`error parsing regexp: .*`, "the pattern is not a regular expression", ""),
}

func unexpectedToken(m []string) (message, hint string) {
	if m[0] == "EOF" {
		return "the expression ends too early", ""
	}
	_, quoted, ok := strings.Cut(strings.TrimSuffix(m[0], ")"), "(")
	value, err := strconv.Unquote(quoted)
	if !ok || err != nil {
		return "this is not a valid expression", ""
	}
	switch lower := strings.ToLower(value); {
	case value == "=":
		hint = "two values are compared with =="
	case value == "&":
		hint = "write && or and"
	case value != lower && (lower == "and" || lower == "or" || lower == "not" || lower == "in"):
		hint = "write " + lower
	case lower == "is" || lower == "equals":
		hint = "two values are compared with =="
	case strings.HasPrefix(m[0], "Identifier"), strings.HasPrefix(m[0], "String"), strings.HasPrefix(m[0], "Number"):
		hint = "an operator is missing before it, or quotes around a text"
	}
	return fmt.Sprintf("unexpected %q", value), hint
}

func unrecognized(m []string) (message, hint string) {
	if strings.ContainsAny(m[0], "“”„‟‘’‚«»") {
		hint = `texts are put in plain quotes: "…"`
	}
	if m[0] == "" {
		return "this character has no meaning here", hint
	}
	return fmt.Sprintf("%q has no meaning here", m[0]), hint
}

func mismatch(m []string) (message, hint string) {
	op, left, right := m[0], typeWord(m[1]), typeWord(m[2])
	switch op {
	case "==", "!=", "<", ">", "<=", ">=":
		return "cannot compare " + left + " with " + right, ""
	case "and", "&&", "or", "||":
		return fmt.Sprintf("%s needs true or false on both sides, not %s and %s", op, left, right), ""
	case "in":
		return "cannot look for " + left + " in " + right, `a list is written ["A", "B"]`
	case "matches", "contains", "startsWith", "endsWith":
		return fmt.Sprintf("%s needs a string on both sides, not %s and %s", op, left, right), ""
	}
	return fmt.Sprintf("%s cannot take %s and %s", op, left, right), ""
}

func noMember(m []string) (message, hint string) {
	message = fmt.Sprintf("%s has no member %q", typeWord(m[0]), m[1])
	switch {
	case typeWord(m[0]) == typeWord("time.Time"):
		hint = didYouMean(m[1], timeMethods())
	default:
		for _, f := range functionNames() {
			if f == m[1] {
				hint = "functions are written " + f + "(x)"
			}
		}
	}
	return message, hint
}

// runErrors are what can go wrong with an event. A pattern never takes more of
// the message than the names of Go types, and typeWord knows only fixed ones,
// so no value of a payload comes through.
var runErrors = []wording{
	worded(`invalid operation: (\S+(?: \{\})?) ([-+*/%]|[<>]=?) (\S+(?: \{\})?)`, func(m []string) (string, string) {
		message := "cannot calculate with %s and %s"
		if strings.ContainsAny(m[1], "<>") {
			message = "cannot compare %s with %s"
		}
		message = fmt.Sprintf(message, typeWord(m[0]), typeWord(m[2]))
		if m[0] == "<nil>" || m[2] == "<nil>" {
			message += ": an absent value needs a default, as in (x ?? 0)"
		}
		return message, ""
	}),
	fixed(`invalid operation: - (\S+)`, "the sign needs a number, but this is %s", ""),
	fixed(`invalid operation: (?:int|float|int64|bool)\(.*\)`, "the value is not a number", ""),
	fixed(`interface conversion: interface \{\} is (.*), not (.*)`, "the value is %s where %s is needed", ""),
	fixed(`cannot fetch .* from (\S+(?: \{\})?)`, "%s has no such member", ""),
	fixed(`index out of range.*|reflect: slice index out of range`, "the list has no such element", ""),
	fixed(`memory budget exceeded`, "the lists are too long for this expression", ""),
	fixed(`reflect: call of reflect\.Value\.\w+ on zero Value`, "the value is nil where a list is needed", ""),
	fixed(`reflect: call of reflect\.Value\.\w+ on (\w+) Value`, "the value is %s where a list is needed", ""),
	fixed(`reflect\.Value\.MapIndex: value of type (\S+) is not assignable to type (\S+)`, "cannot look for %s among values of another type%.0[2]s", ""),
	fixed(`invalid argument for \w+ \(type (.*)\)`, "the function cannot take %s", ""),
	fixed(`cannot (?:take|concat|reverse|flatten|uniq|get \w+|transform) .*`, "the function cannot take these values", ""),
	fixed(`cannot use (\S+(?: \{\})?) as argument \(type .*`, "the function cannot take %s", ""),
	fixed(`(?:runtime error: )?hash of unhashable type:? (.*)`, "%s cannot be a key", ""),
	fixed(`operator "in" not defined on (.*)`, "cannot look for a value in %s", ""),
	fixed(`cannot slice .*`, "the value has no parts", ""),
	fixed(`error parsing regexp: .*`, "the pattern is not a regular expression", ""),
	fixed(`runtime error: integer divide by zero`, "division by zero", ""),
	fixed(`reduce of empty array.*`, "reduce() of an empty list needs a start value", ""),
	fixed(`invalid date .*|parsing time .*`, "the text is not a date", ""),
	fixed(`time: (?:invalid|unknown|missing) .*`, "the text is not a duration", ""),
	fixed(`illegal base64 data.*`, "the text is not base64", ""),
	fixed(`invalid character .*|unexpected end of JSON input`, "the text is not JSON", ""),
}

// runWords words what went wrong with one event, without any value of it.
func runWords(err error) string {
	if own, ok := errors.AsType[funcError](err); ok {
		return string(own)
	}
	text := err.Error()
	if len(text) > 1<<10 {
		text = text[:1<<10] // a value may be in it, of any length
	}
	for _, w := range runErrors {
		if m := w.pattern().FindStringSubmatch(text); m != nil {
			message, _ := w.words(m[1:])
			return message
		}
	}
	return "the expression cannot be evaluated for this event"
}

// typeWord is a type of Go in the words of `fields:`, or "a value".
func typeWord(goType string) string {
	switch strings.TrimLeft(goType, "*") {
	case "string":
		return "a string"
	case "int", "int64", "integer":
		return "an integer"
	case "float64", "float32":
		return "a number"
	case "bool":
		return "true or false"
	case "time.Time", "struct":
		return "a time"
	case "time.Duration":
		return "a duration"
	case "time.Location":
		return "a time zone"
	case "nil", "<nil>":
		return "nil"
	case "map[string]interface {}", "map[string]any", "map":
		return "an object"
	case "[]interface {}", "[]any", "[]string", "[]int", "[]float64", "slice":
		return "a list"
	case "ptr":
		return "nil"
	}
	if strings.HasPrefix(goType, "func(") {
		return "a function"
	}
	return "a value"
}
