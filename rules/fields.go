package rules

import "slices"

// Type is the type of a field.
type Type uint8

// The types. Only the first five can be declared.
const (
	Any Type = iota
	String
	Integer
	Number
	Bool
	Time   // received_at
	Object // payload
)

func (t Type) String() string {
	return [...]string{"any", "string", "integer", "number", "bool", "time", "object", ""}[t&7]
}

// ParseType reads a type's word as `fields:` has it: any, string, integer,
// number or bool.
func ParseType(s string) (Type, bool) {
	for t := Any; t <= Bool; t++ {
		if t.String() == s {
			return t, true
		}
	}
	return Any, false
}

// zero is what a documented field has when it is absent.
func (t Type) zero() any {
	switch t {
	case String:
		return ""
	case Integer:
		return 0
	case Number:
		return 0.0
	case Bool:
		return false
	default:
		return nil
	}
}

// Field is a name an expression may use.
type Field struct {
	Name       string
	Type       Type
	Known      []string // values the vendor documents, sorted; others may come. Of source: those of the config
	Documented bool     // has its type's zero value when absent or null; nil otherwise
	Required   bool     // the sender's object is refused without it; never empty
	Counter    bool     // counts something a person does a few times
	Personal   bool     // tells something about a person
	Doc        string
}

// Presets are the names of all presets, in the order of the documentation.
func Presets() []string { return []string{"invitation", "idv-ticket", "json"} }

// PresetFields are the fields a preset brings, sorted by name; false for an
// unknown preset. The preset json brings none: such payloads are read through
// `payload` and through declared fields.
//
// Documented are the keys that the vendor's own JSON examples show with their
// type. Keys that only its prose mentions have no type we could rely on.
func PresetFields(preset string) ([]Field, bool) {
	var fields []Field
	switch preset {
	case "invitation":
		fields = invitationFields()
	case "idv-ticket":
		fields = ticketFields()
	case "json":
	default:
		return nil, false
	}
	slices.SortFunc(fields, byName)
	return fields, true
}

func invitationFields() []Field {
	return []Field{
		{Name: "id", Type: String, Documented: true, Required: true, Doc: "the invitation, a UUID"},
		{
			Name: "invitation_state", Type: String, Documented: true, Known: []string{"COMPLETED"},
			Doc: "where the invitation stands; only COMPLETED is documented",
		},
		{
			Name: "cifcod", Type: String, Documented: true, Personal: true,
			Doc: "the user's identifier at the customer",
		},
		{
			Name: "full_name", Type: String, Documented: true, Personal: true,
			Doc: "read from the person's identity document: chosen by a stranger",
		},
		{Name: "ticket", Type: String, Documented: true, Doc: "the identity-verification ticket, a UUID"},
		{
			Name: "transaction_status", Type: String, Documented: true, Known: []string{"ACCEPTED", "REJECTED"},
			Doc: "how the verification ended",
		},
		{Name: "attempts", Type: Integer, Documented: true, Counter: true, Doc: "tries the user made"},
		{
			Name: "event", Known: []string{"ticket.verification.completed"},
			Doc: "what happened; not in every payload",
		},
		{
			Name: "flow_status", Known: []string{"ACCEPTED", "REJECTED"},
			Doc: "how the flow ended; not in every payload",
		},
		{
			Name: "disposition", Known: []string{"FAILED", "PASSED"},
			Doc: "how the verification was judged; not in every payload",
		},
		{Name: "risk_code", Doc: "the vendor's risk code; type not published"},
		{Name: "confidence_score", Doc: "the vendor's confidence; type not published"},
	}
}

func ticketFields() []Field {
	return []Field{
		{Name: "ticket", Type: String, Documented: true, Required: true, Doc: "the identity-verification ticket, a UUID"},
		{
			Name: "event", Type: String, Documented: true, Required: true,
			Known: []string{
				"onboarding.completed", "ticket.verification.completed",
				"ticket.verification.in_progress", "verification.completed",
			},
			Doc: "what happened",
		},
		{
			Name: "sub_event", Type: String, Documented: true,
			Known: []string{"verification.id_proofing", "verification.liveness"},
			Doc:   "which part of the verification, while in progress",
		},
		{
			Name: "flow_status", Type: String, Documented: true,
			Known: []string{"ACCEPTED", "IN_PROGRESS", "REJECTED"},
			Doc:   "where the flow stands",
		},
		{
			Name: "disposition", Type: String, Documented: true,
			Known: []string{"FAILED", "PASSED", "RETRY"},
			Doc:   "how the verification, or a part of it, was judged",
		},
		{
			Name: "remaining_attempts", Type: Integer, Documented: true, Counter: true,
			Doc: "tries left; meaningful with RETRY",
		},
		{Name: "data", Personal: true, Doc: "results of a part; shape not published"},
		{Name: "risk_code", Doc: "the vendor's risk code; type not published"},
		{Name: "confidence_score", Doc: "the vendor's confidence; type not published"},
		{Name: "created", Type: Integer, Documented: true, Doc: "older format: epoch milliseconds"},
		{Name: "processed", Type: Integer, Documented: true, Doc: "older format: epoch milliseconds"},
		{
			Name: "status", Type: String, Documented: true,
			Known: []string{"AWAITING", "FAILED", "SUCCESSFUL", "VERIFIED"},
			Doc:   "older format: how it ended",
		},
	}
}

// The names every expression may use, whatever the sources.
const (
	namePayload    = "payload"
	nameSource     = "source"
	nameReceivedAt = "received_at"
	nameEventID    = "event_id"
	nameUnmatched  = "unmatched"
)

func builtinFields() []Field {
	return []Field{
		{Name: namePayload, Type: Object, Documented: true, Personal: true, Doc: "the whole object received, as it came"},
		{Name: nameSource, Type: String, Documented: true, Doc: "the name of the source in the config"},
		{Name: nameReceivedAt, Type: Time, Documented: true, Doc: "when the event came in, UTC"},
		{Name: nameEventID, Type: String, Documented: true, Doc: "the relay's id of the event, a UUIDv7"},
		{Name: nameUnmatched, Type: Bool, Documented: true, Doc: "no earlier rule has matched; only in a rule's `when`"},
	}
}
