package event

// Outcome is the verdict on one attempt.
type Outcome uint8

// The outcomes of an attempt; zero is none yet.
const (
	Delivered Outcome = iota + 1 // the target has it
	Retry                        // not now; try again later
	Rejected                     // this message will never be taken
	Held                         // the target itself is broken: its events wait
)

// String is the outcome's word in metrics, logs and the API; "" for none yet.
func (o Outcome) String() string {
	return [...]string{"", "delivered", "retry", "rejected", "held"}[o%5]
}

// State is where a delivery stands.
type State uint8

// The states of a delivery. Pending and Done are "pending" and "delivered" in text.
const (
	Pending   State = iota // waiting for its first or next attempt
	Done                   // the target has it
	Dead                   // rejected, or its time is up: a dead letter
	Discarded              // an operator gave it up
)

// String is the state's word in the API and the store's documents.
func (s State) String() string {
	return [...]string{"pending", "delivered", "dead", "discarded"}[s&3]
}

// ParseState reads a state's word.
func ParseState(s string) (State, bool) {
	for st := Pending; st <= Discarded; st++ {
		if st.String() == s {
			return st, true
		}
	}
	return 0, false
}
