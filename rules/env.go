package rules

// Env is what expressions may name, and the types of it: the union of all
// sources' fields. It is immutable and safe for concurrent use.
type Env struct{}
