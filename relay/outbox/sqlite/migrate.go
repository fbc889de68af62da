package sqlite

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"invitation-relay/relay/failpoint"
	"invitation-relay/relay/outbox"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// applicationID is what PRAGMA application_id says of a store of ours.
const applicationID = 0x72656c79 // "rely"

// identify refuses a file that is a database of something else. It must come
// before anything that writes.
func identify(ctx context.Context, c *conn) error {
	id, err := c.value(ctx, "PRAGMA application_id")
	if err != nil {
		return fault("read the file", err)
	}
	if id == int64(applicationID) {
		return nil
	}
	tables, err := c.value(ctx, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return fault("read the file", err)
	}
	ours, err := c.value(ctx, "SELECT count(*) FROM sqlite_schema WHERE name IN ('migrations', 'events', 'deliveries', 'attempts', 'journal', 'refused')")
	switch {
	case err != nil:
		return fault("read the file", err)
	case ours == int64(6):
		return fault("read the file", fmt.Errorf("%w: it does not say any more whose it is", outbox.ErrCorrupt))
	case tables != int64(0) || id != int64(0):
		return fmt.Errorf("this is a database, but not a store of invitation-relay: give another path, or move that file away")
	}
	return nil // new and empty
}

const migrationsTable = "CREATE TABLE IF NOT EXISTS migrations (n INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT"

// migrate brings the schema up to date, in one transaction, and says whether it
// made all of it. The steps are the files in migrations, in the order of their
// names; those that have been released do not change any more.
func migrate(ctx context.Context, c *conn) (made bool, err error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		return false, err
	}
	done := int64(0)
	if has, err := c.value(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'"); err != nil {
		return false, fault("read the schema's version", err)
	} else if has != int64(0) {
		v, err := c.value(ctx, "SELECT coalesce(max(n), 0) FROM migrations")
		if err != nil {
			return false, fault("read the schema's version", err)
		}
		done, _ = v.(int64)
	}
	if done > int64(len(files)) {
		return false, fmt.Errorf("%w: its schema is %d and this one knows %d; use the newer release, or a backup from before", outbox.ErrNewer, done, len(files))
	}
	if done == int64(len(files)) {
		return false, nil
	}
	if err = c.exec(ctx, "BEGIN IMMEDIATE"); err == nil {
		err = steps(ctx, c, int(done))
	}
	if err == nil && done < namesSealed {
		err = sealNames(ctx, c)
	}
	if err == nil {
		err = c.exec(ctx, "COMMIT")
	}
	if err != nil {
		_ = c.exec(ctx, "ROLLBACK") // err says more
		return false, fault("bring the schema up to date", err)
	}
	return done == 0, nil
}

// steps takes the steps of the schema after those that are done, in the
// transaction under way, and notes each.
func steps(ctx context.Context, c *conn, done int) error {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err == nil {
		err = c.exec(ctx, migrationsTable)
	}
	for n := done; n < len(files) && err == nil; n++ {
		var script []byte
		if script, err = migrationFiles.ReadFile(files[n]); err == nil {
			err = c.exec(ctx, fmt.Sprintf("%s; INSERT INTO migrations VALUES (%d, '%s', datetime())", script, n+1, files[n]))
		}
		failpoint.Hit(failpoint.Migration)
	}
	return err
}
