package intake

import "sync"

// Schema says what a body must look like and where an event's own fields are in
// it. It is used by pointer, by any number of goroutines; nobody changes it after
// its first use. The zero value takes any object.
type Schema struct {
	// Required members must be strings that are not empty.
	Required []string
	// Types of the documented members, enforced when they are present and not null. Members not in it are unknown: taken, and counted.
	Types map[string]Type
	// Values a documented string member is known to have. Others are taken, and counted.
	Values map[string][]string
	// Subject, Ticket, Status and Person name the members these are taken from: the first that is a string and not empty.
	Subject, Ticket, Status, Person []string

	once sync.Once
}

// Type is what a member's value must be.
type Type uint8

const (
	Any     Type = iota
	String       // a string
	Integer      // a whole number that fits an int, also written 1.0 or 1e0; decoded as int
	Number       // any number, decoded as float64
	Bool         // true or false
)
