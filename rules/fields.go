package rules

// Type is the type of a field.
type Type uint8

const (
	Any Type = iota
	String
	Integer
	Number
	Bool
	Time   // never in a payload: received_at
	Object // never declared: payload
)

// ParseType reads a type's word as `fields:` has it: any, string, integer, number, bool.
func ParseType(s string) (Type, bool) { return Any, false }

// Field is a name an expression may use.
type Field struct {
	Name       string
	Type       Type
	Known      []string // values the vendor documents; others may come
	Documented bool     // has its type's zero value when absent; nil otherwise
	Personal   bool     // tells who a person is
	Doc        string
}

// Presets are the names of all presets.
func Presets() []string { return []string{"invitation", "idv-ticket", "json"} }

// PresetFields are the fields a preset brings.
func PresetFields(preset string) ([]Field, bool) { return nil, false }
