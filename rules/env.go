package rules

// Source is one source of events, as far as its fields go.
type Source struct {
	Name, Preset string
	Fields       map[string]Type // declared in the config
}

// Env is what expressions may name, and the types of it: the union of all
// sources' fields. It is immutable and safe for concurrent use.
type Env struct{}

// NewEnv makes the union of the sources' fields. One name with two types is an
// error that names both sources.
func NewEnv(sources ...Source) (*Env, error) { return &Env{}, nil }

// Fields are all names an expression may use, sorted.
func (e *Env) Fields() []Field { return nil }
