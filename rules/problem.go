package rules

// Problem is a mistake in an expression or a text, for the person who wrote it.
type Problem struct {
	Line, Col int // 1-based, in the text that was compiled; 0 when not known
	Message   string
	Hint      string // what would help; may be empty
	Warning   bool   // it may be meant
}
