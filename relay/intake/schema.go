package intake

import (
	"net/http"
	"sync"
)

// Schema says what a body must look like and where an event's own fields are in
// it. It is used by pointer, by any number of goroutines; nobody changes it after
// its first use. The zero value takes any object.
type Schema struct {
	// Required members must be strings that are not empty.
	Required []string
	// Types of the documented members, enforced when they are present and not
	// null. Members not in it are unknown: taken, and counted unless Types is empty.
	Types map[string]Type
	// Values a documented string is known to have. Others are taken, and counted.
	Values map[string][]string
	// Subject, Ticket, Status and Person name the members these are taken from:
	// the first that is a string and not empty.
	Subject, Ticket, Status, Person []string

	once    sync.Once
	members map[string]*member
	pool    sync.Pool // of *scanner
}

// Type is what a member's value must be.
type Type uint8

// The types a schema can ask for.
const (
	Any     Type = iota // not checked
	String              // a string
	Integer             // a whole number that fits an int, also written 1.0 or 1e0; decoded as int
	Number              // any number; decoded as float64
	Bool                // true or false
)

// String is the type as a sentence names it.
func (t Type) String() string {
	return [...]string{"anything", "a string", "a whole number", "a number", "true or false"}[t]
}

// member is what is known of one member before it comes.
type member struct {
	name     string // its key in Fields.Members, so that keys we know cost nothing
	typ      Type
	known    bool
	values   map[string]any // as they stand in Fields.Members, likewise
	roles    [roles]uint8   // 1 is the first choice for the role, 0 is none
	wrong    *refusal
	required bool
}

// The roles a member can have for the event.
const (
	subject = iota
	ticket
	status
	person
	roles
)

// prepare makes the lookup table, once.
func (s *Schema) prepare() {
	s.once.Do(func() {
		s.members = make(map[string]*member)
		get := func(name string) *member {
			m := s.members[name]
			if m == nil {
				m = &member{name: name}
				s.members[name] = m
			}
			return m
		}
		for name, t := range s.Types {
			m := get(name)
			m.known, m.typ = true, t
			m.wrong = refuse(http.StatusUnprocessableEntity, invalid, ErrInvalid, name+" is not "+t.String()+".")
		}
		for _, name := range s.Required {
			m := get(name)
			m.known, m.required = true, true
			m.wrong = refuse(http.StatusUnprocessableEntity, invalid, ErrInvalid, name+" is missing, empty or not a string.")
		}
		for name, values := range s.Values {
			m := get(name)
			m.values = make(map[string]any, len(values))
			for _, v := range values {
				m.values[v] = v
			}
		}
		for role, names := range [roles][]string{s.Subject, s.Ticket, s.Status, s.Person} {
			for i, name := range names {
				get(name).roles[role] = uint8(min(i, 254)) + 1
			}
		}
		s.pool.New = func() any { return newScanner(s) }
	})
}
