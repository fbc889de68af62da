package sqlite

import (
	"context"
	"fmt"
	"strings"

	"invitation-relay/relay/failpoint"
)

// pragma is one setting of the connection that writes, and what it must read
// back as: a promise of ours hangs on each.
type pragma struct{ name, set, want string }

func pragmas() []pragma {
	sync, reads := "FULL", "2"
	if failpoint.Weakened(failpoint.Synchronous) {
		sync, reads = "NORMAL", "1"
	}
	return []pragma{
		{"busy_timeout", "5000", "5000"},               // somebody looks with the sqlite3 shell
		{"journal_mode", "WAL", "wal"},                 // readers do not stop the writer
		{"synchronous", sync, reads},                   // NORMAL loses acknowledged events in a power cut
		{"secure_delete", "ON", "1"},                   // what is erased is overwritten
		{"wal_autocheckpoint", "10000", "10000"},       // 40 MB: half the p99 of the default, same throughput
		{"journal_size_limit", "67108864", "67108864"}, // the WAL shrinks again after a burst
		{"foreign_keys", "ON", "1"},
		{"cache_size", "-4096", "-4096"}, // KiB; inserts go to the end, so little is enough, and pages are soon used again
		{"temp_store", "MEMORY", "2"},    // nothing personal in files elsewhere
	}
}

// settings of the connections that read, for the driver.
const readerParams = "&_pragma=busy_timeout(5000)&_pragma=query_only(1)&_pragma=cache_size(-4096)&_pragma=temp_store(MEMORY)"

// apply sets the pragmas and reads each of them back.
func apply(ctx context.Context, c *conn) error {
	for _, p := range pragmas() {
		if _, err := c.value(ctx, "PRAGMA "+p.name+" = "+p.set); err != nil {
			return fault("set "+p.name, err)
		}
	}
	for _, p := range pragmas() {
		got, err := c.value(ctx, "PRAGMA "+p.name)
		if err != nil {
			return fault("read "+p.name, err)
		}
		if s := strings.ToLower(fmt.Sprint(got)); s != p.want {
			return fmt.Errorf("%s is %s here and must be %s: is this a network file system?", p.name, s, p.want)
		}
	}
	return nil
}
