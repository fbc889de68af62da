// Package failpoint marks the moments at which a process may die and the
// promise must hold all the same. In an ordinary build Hit is nothing, and
// nothing can switch it on. Built with -tags failpoint, the variable
// RELAY_FAILPOINT=NAME:N kills the process, as kill -9 does, when the point NAME
// is passed for the N-th time, and RELAY_WEAKEN=NAME takes a safeguard away, to
// show that a test notices.
package failpoint

// The points, in the order an event passes them.
const (
	AfterRead    = "after-read"    // intake has the whole request
	BeforeCommit = "before-commit" // all of a batch is written, nothing is durable
	AfterCommit  = "after-commit"  // a batch is durable, nobody has been answered
	BeforeSend   = "before-send"   // an attempt is about to be made
	AfterSend    = "after-send"    // the target has answered, nothing of it is recorded
	Migration    = "migration"     // a step of the schema is written, and not committed
)

// Synchronous is the safeguard that a commit is on disk before it is answered.
const Synchronous = "synchronous"
