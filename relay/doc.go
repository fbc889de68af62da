// Package relay is the running relay, put together from its parts.
//
// Data moves one way, and the folders follow it:
//
//	webhook ──> intake ──> rules ──> outbox ──> dispatch ──> target ──> Slack / HTTP / email
//	                         │         │
//	                      config   admin, alarm   (beside the flow, never inside it)
//
// # The promise
//
// A 2xx means that the event and the deliveries it causes are on disk. From
// then on each matching target gets it at least once, unless an operator discards
// it or its time is up, and then it stands in the dead letters and an alarm is
// out. A repeat happens only for attempts in flight at a crash or a cut
// connection, and carries the same id. What cannot be stored is answered 503 with
// Retry-After, never 2xx. A failing target delays only itself.
//
// # The words
//
// They are the same in types, columns, metric labels, log keys, YAML and API:
//
//   - source: who sends
//   - event: what came in
//   - rule, match: what decides where an event goes
//   - target: where it goes
//   - delivery: one event for one target (for email: for one recipient)
//   - attempt: one try of a delivery
//   - outcome of an attempt: delivered, retry, rejected (this message will
//     never be taken), held (the target itself is broken)
//   - state of a delivery: pending, delivered, dead, discarded
//
// # Who knows whom
//
// event, secret and rules are the floor and import nothing of ours. A part
// takes its own small struct and never imports config; this package alone
// knows the whole, and cli is its only user. The linter holds these arrows
// (.golangci.yml, depguard).
package relay
