//go:build !race

package alloctest

// raced says that the race detector watches, with which sync.Pool forgets at
// random and code allocates more.
const raced = false
