package cli

import (
	"io"
	"io/fs"
)

// world is everything a command may touch of what is outside the program,
// handed in so that tests run the same code: results go to stdout, all else to
// stderr, variables come from lookup.
type world struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookup         func(string) (string, bool) // os.LookupEnv
	files          fs.FS                       // embedded: config.example.yaml, testdata/samples
}

// failure is an error that ends a command: what was being done to what, a hint
// at the next step (may be empty), and the exit code. Whoever ran the command
// prints it, as two lines.
type failure struct {
	code int
	msg  string
	hint string
	err  error // what caused it, for errors.Is; may be nil
}

// Error is what was being done, and the cause.
func (f *failure) Error() string {
	switch {
	case f.err == nil:
		return f.msg
	case f.msg == "":
		return f.err.Error()
	default:
		return f.msg + ": " + f.err.Error()
	}
}

func (f *failure) Unwrap() error { return f.err }

// wrongUsage is the failure of somebody who called the command wrongly.
func wrongUsage(msg, hint string) error { return &failure{code: exitUsage, msg: msg, hint: hint} }
