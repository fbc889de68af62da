// Package relaytest has receivers for tests and for the demo: they keep what
// they are sent, answer as they were told, and misbehave on request. It listens
// on 127.0.0.1 only and needs no *testing.T.
package relaytest
