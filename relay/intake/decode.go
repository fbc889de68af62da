package intake

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep a body may be nested; its object is the first level.
const maxDepth = 64

// Fields is a decoded body.
type Fields struct {
	// Members are the top-level members by exact name: string, int (Integer),
	// float64, bool, nil (null), map[string]any, []any. A number beyond float64
	// is the largest float64, so that every value can be written as JSON again.
	Members map[string]any

	Subject, Ticket, Status, Person string

	UnknownMembers, UnknownValues int // how many the Schema does not document
}

// Decode reads body as s says; nil takes any object. It demands one JSON text
// (RFC 8259) in UTF-8 without a byte order mark, no member twice in an object
// however it is escaped, and at most 64 levels. The result shares no memory with
// body. Errors are ErrMalformed or ErrInvalid, as one fixed sentence that quotes
// nothing; what is both is ErrMalformed. With ErrInvalid, Fields hold what could
// be read, with the types it has: of an event accepted under another schema that is
// better than nothing.
//
// It scans once: the tokens that prove the body valid are the ones the result is
// made of.
func Decode(body []byte, s *Schema) (Fields, error) {
	if s == nil {
		s = new(Schema)
	}
	s.prepare()
	sc, _ := s.pool.Get().(*scanner)
	f, ref := sc.scan(body)
	sc.reset()
	s.pool.Put(sc)
	if ref != nil {
		return f, ref
	}
	return f, nil
}

// scanner is one pass over one body.
type scanner struct {
	schema *Schema
	dec    *jsontext.Decoder
	buf    bytes.Buffer // what dec reads: it parses a bytes.Buffer in place
	body   []byte
	text   string // body again, made for the first string: all strings are parts of it
	fields Fields
	ranks  [roles]uint8
	wrong  *refusal // the first thing found that is no syntax error
}

func newScanner(s *Schema) *scanner {
	sc := &scanner{schema: s}
	sc.dec = jsontext.NewDecoder(&sc.buf)
	return sc
}

// reset lets go of the body, and of everything made from it.
func (sc *scanner) reset() {
	sc.buf = bytes.Buffer{}
	sc.dec.Reset(&sc.buf)
	sc.body, sc.text, sc.fields, sc.wrong = nil, "", Fields{}, nil
	sc.ranks = [roles]uint8{}
}

func (sc *scanner) scan(body []byte) (Fields, *refusal) {
	sc.body = body
	sc.buf = *bytes.NewBuffer(body)
	var err error
	if sc.dec.PeekKind() == jsontext.KindBeginObject {
		err = sc.object()
	} else {
		sc.wrong = refNoObject
		_, err = sc.value(0)
	}
	if err == nil {
		if _, err = sc.dec.ReadToken(); errors.Is(err, io.EOF) {
			return sc.fields, sc.wrong
		}
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return Fields{}, refDouble
	case errors.Is(err, refDeep):
		return Fields{}, refDeep
	default: // a syntax error, no text at all, or (nil) a second text
		return Fields{}, refJSON
	}
}

// object reads the top-level object into fields.
func (sc *scanner) object() error {
	if _, err := sc.dec.ReadToken(); err != nil {
		return err
	}
	sc.fields.Members = make(map[string]any, 8)
	for sc.dec.PeekKind() != jsontext.KindEndObject {
		name, m, err := sc.key()
		if err != nil {
			return err
		}
		v, err := sc.member(m)
		if err != nil {
			return err
		}
		sc.fields.Members[name] = v
	}
	if _, err := sc.dec.ReadToken(); err != nil {
		return err
	}
	for _, name := range sc.schema.Required {
		if v, _ := sc.fields.Members[name].(string); v == "" {
			sc.note(sc.schema.members[name].wrong)
		}
	}
	return nil
}

// key reads a top-level member's name; m is nil when nothing is known of it.
func (sc *scanner) key() (name string, m *member, err error) {
	raw, err := sc.dec.ReadValue()
	if err != nil {
		return "", nil, err
	}
	if m = sc.schema.members[string(raw[1:len(raw)-1])]; m != nil {
		name = m.name
	} else {
		if name, err = sc.unquote(raw); err != nil {
			return "", nil, err
		}
		m = sc.schema.members[name] // it may have been written with escapes
	}
	if (m == nil || !m.known) && len(sc.schema.Types) > 0 {
		sc.fields.UnknownMembers++
	}
	return name, m, nil
}

// member reads a top-level member's value and holds it against what is known.
func (sc *scanner) member(m *member) (any, error) {
	if m == nil {
		return sc.value(1)
	}
	switch kind := sc.dec.PeekKind(); {
	case kind == jsontext.KindString:
		if m.typ != String && m.typ != Any {
			sc.note(m.wrong)
		}
		return sc.documented(m)
	case kind == jsontext.KindNumber && m.typ == Integer:
		raw, err := sc.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		n, ok := integer(raw)
		if !ok {
			sc.note(m.wrong)
			return float(raw), nil
		}
		return n, nil
	case kind == jsontext.KindNull || m.typ == Any:
	case kind == jsontext.KindNumber && m.typ == Number:
	case (kind == jsontext.KindTrue || kind == jsontext.KindFalse) && m.typ == Bool:
	default:
		sc.note(m.wrong)
	}
	return sc.value(1)
}

// documented reads a string of a member we know: it may be a value we know, and
// may be what the event's own fields are taken from.
func (sc *scanner) documented(m *member) (any, error) {
	raw, err := sc.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	v, ok := m.values[string(raw[1:len(raw)-1])] // a value with escapes is just not found
	if !ok {
		if v, err = sc.unquote(raw); err != nil {
			return nil, err
		}
	}
	s, _ := v.(string)
	if _, ok := m.values[s]; !ok && m.values != nil {
		sc.fields.UnknownValues++
	}
	for role, rank := range m.roles {
		if rank != 0 && s != "" && (sc.ranks[role] == 0 || rank < sc.ranks[role]) {
			sc.ranks[role] = rank
			*sc.fields.role(role) = s
		}
	}
	return v, nil
}

func (f *Fields) role(r int) *string {
	return [roles]*string{&f.Subject, &f.Ticket, &f.Status, &f.Person}[r]
}

// note keeps the first thing that is wrong; the scan goes on, because broken
// syntax further on is worse.
func (sc *scanner) note(r *refusal) {
	if sc.wrong == nil {
		sc.wrong = r
	}
}
