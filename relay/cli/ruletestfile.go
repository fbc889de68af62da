package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"invitation-relay/relay/config"
)

// A test file holds payloads and what is expected of them. Everything but name,
// payload or file, and expect may be left out.
type testFile struct {
	Tests []*ruleTest `yaml:"tests"`
}

type ruleTest struct {
	// Name says in a sentence what is promised; unique in its file.
	Name string `yaml:"name"`
	// Source sends it. Default the first source, or with an IV the first that has keys.
	Source string `yaml:"source"`
	// Payload is the body: an object, or text to be sent as it stands.
	Payload any `yaml:"payload"`
	// File holds the body instead, or an encrypted request as in testdata/samples/encrypted; relative to the test file.
	File string `yaml:"file"`
	// IV says that the body is encrypted already.
	IV string `yaml:"iv"`
	// Plain sends it in the open, although the source has keys.
	Plain bool `yaml:"plain"`
	// ReceivedAt is when it comes, so that a test decides the same every day. Default 2026-01-01T12:00:00Z.
	ReceivedAt string `yaml:"received_at"`
	// Expect is what must become of it.
	Expect expectation `yaml:"expect"`

	doc      *config.Document
	at       string // its path in the document
	mistaken bool   // it cannot be run: the problems say why
	body     payload
	when     time.Time
}

type expectation struct {
	// Status is what the sender is answered: 202, 400, 413, 415 or 422. Default 202.
	Status int `yaml:"status"`
	// Rules are exactly those that match, in their order.
	Rules []string `yaml:"rules"`
	// Shadow are exactly the shadow rules that would match, in their order.
	Shadow []string `yaml:"shadow"`
	// Errors are exactly the rules that cannot be evaluated. Default none.
	Errors []string `yaml:"errors"`
	// Targets are exactly those the event goes to, in any order.
	Targets []string `yaml:"targets"`
	// Messages are what is said where, by target.
	Messages map[string]*messageExpectation `yaml:"messages"`
}

const testFileHint = "tests:\n  - {name: a sentence, payload: {id: i-1}, expect: {rules: [], targets: []}}"

// defaultReceived is when the webhooks of tests come that do not say.
var defaultReceived = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// readTests reads a test file. What is wrong with it is in the problems, all of it;
// names of rules, targets and sources are held against the config. A test that has
// a mistake is marked; where the file has one before its tests, all are.
func readTests(path string, data []byte, d *dry) ([]*ruleTest, config.Problems) {
	var f testFile
	doc := config.Decode(path, data, &f, testFileHint)
	if len(f.Tests) == 0 && len(doc.Problems()) == 0 {
		doc.Wrong("tests", "there are none", testFileHint)
	}
	for i, t := range f.Tests {
		t.doc, t.at = doc, fmt.Sprintf("tests[%d]", i)
	}
	markMistaken(f.Tests, doc.Problems())
	first := map[string]int{}
	for i, t := range f.Tests {
		switch before, twice := first[t.Name]; {
		case t.Name == "":
			t.wrong("name", "name is missing", "a sentence that says what is promised")
		case twice:
			t.wrong("name", fmt.Sprintf("tests[%d] has the same name", before), "")
		default:
			first[t.Name] = i
		}
		t.checkSource(d)
		t.checkTime()
		t.readBody(path)
		t.checkExpect(d)
	}
	return f.Tests, doc.Problems()
}

// markMistaken marks the tests that problems stand in: each belongs to the last
// test that begins before it.
func markMistaken(tests []*ruleTest, problems config.Problems) {
	for _, p := range problems {
		in := -1
		for i, t := range tests {
			if t.doc.Line(t.at) <= p.Line {
				in = i
			}
		}
		for i, t := range tests {
			t.mistaken = t.mistaken || i == in || in < 0
		}
	}
}

func (t *ruleTest) wrong(key, message, hint string) {
	t.mistaken = true
	t.doc.Wrong(t.at+"."+key, message, hint)
}

func (t *ruleTest) has(key string) bool { return t.doc.Has(t.at + "." + key) }

func (t *ruleTest) checkSource(d *dry) {
	if t.Source != "" && d.cfg.Sources[t.Source] == nil {
		t.wrong("source", fmt.Sprintf("there is no source %q in the config", t.Source), config.DidYouMean(t.Source, d.sourceNames()))
	}
}

func (t *ruleTest) checkTime() {
	t.when = defaultReceived
	if t.ReceivedAt == "" {
		return
	}
	var ok bool
	if t.when, ok = parseTime(t.ReceivedAt); !ok {
		t.wrong("received_at", "not a time", "write it like 2026-11-23T22:30:00Z")
	}
}

// readBody makes the body that is sent.
func (t *ruleTest) readBody(path string) {
	switch {
	case t.has("payload") && t.has("file"):
		t.wrong("file", "set together with payload", "keep one of them")
		return
	case t.has("file"):
		t.readFile(filepath.Join(filepath.Dir(path), t.File))
	case t.has("payload"):
		if text, ok := t.Payload.(string); ok {
			t.body.body = []byte(text)
			break
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(t.Payload); err != nil {
			t.wrong("payload", "it has no form in JSON", "")
		}
		t.body.body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	default:
		t.wrong("payload", "payload or file is missing", "payload: {id: i-1, transaction_status: REJECTED}")
	}
	if t.IV != "" {
		t.body.iv, t.body.contentType = t.IV, "text/plain"
	}
}

func (t *ruleTest) readFile(path string) {
	if filepath.IsAbs(t.File) {
		path = t.File
	}
	data, err := os.ReadFile(path) //nolint:gosec // the test names the file
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		t.wrong("file", "the file cannot be read: "+err.Error(), "paths are relative to this file")
		return
	}
	t.body = payload{body: data}
	if f, ok := asFixture(data); ok {
		t.body = f
	}
}

// checkExpect finds expectations that could never hold.
func (t *ruleTest) checkExpect(d *dry) {
	e := &t.Expect
	if !t.has("expect.status") && !t.has("expect.rules") && !t.has("expect.targets") && !t.has("expect.messages") &&
		!t.has("expect.shadow") && !t.has("expect.errors") {
		t.wrong("expect", "nothing is expected", "expect: {rules: [], targets: []}")
	}
	if known := []int{202, 400, 413, 415, 422}; t.has("expect.status") && !slices.Contains(known, e.Status) {
		t.wrong("expect.status", "must be one of: 202, 400, 413, 415, 422", "what a sender with right credentials may be answered")
	}
	var ruleNames, targetNames []string
	for _, r := range d.cfg.Rules {
		ruleNames = append(ruleNames, r.Name)
	}
	for _, to := range d.cfg.TargetsInOrder() {
		targetNames = append(targetNames, to.Name)
	}
	t.known("expect.rules", "rule", e.Rules, ruleNames)
	t.known("expect.shadow", "rule", e.Shadow, ruleNames)
	t.known("expect.errors", "rule", e.Errors, ruleNames)
	t.known("expect.targets", "target", e.Targets, targetNames)
	for name, m := range e.Messages {
		at := "expect.messages." + name
		if !slices.Contains(targetNames, name) {
			t.wrong(at, fmt.Sprintf("there is no target %q in the config", name), config.DidYouMean(name, targetNames))
			continue
		}
		t.checkMessage(at, m, d.cfg.Targets[name].Kind())
	}
}

func (t *ruleTest) known(key, what string, names, known []string) {
	for i, name := range names {
		if !slices.Contains(known, name) {
			t.wrong(fmt.Sprintf("%s[%d]", key, i), fmt.Sprintf("there is no %s %q in the config", what, name), config.DidYouMean(name, known))
		}
	}
}
