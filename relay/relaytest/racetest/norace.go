//go:build !race

package racetest

// Watched says that the race detector watches: code allocates more then, and
// sync.Pool forgets at random.
const Watched = false
