package sqlite

import (
	"context"
	"database/sql/driver"
)

// put inserts a row as it was read, and says whether that could be kept. A flipped
// bit in the type of a column makes a value of it that the new store does not take,
// since its tables are STRICT: such a row is left out. But of a text that has
// become a blob, or a blob that has become a text, all bytes are there.
func put(ctx context.Context, insert *stmt, row []driver.Value) (kept bool, err error) {
	for i := range row {
		insert.args[i].Value = row[i]
	}
	n, err := insert.changed(ctx)
	for i := 0; i < len(row) && (code(err) == codeConstraint || err == nil && n == 0); i++ {
		switch v := row[i].(type) {
		case string:
			insert.args[i].Value = []byte(v)
		case []byte:
			insert.args[i].Value = string(v)
		case nil: // so the driver has a blob of no bytes
			insert.args[i].Value = ""
		default:
			continue
		}
		n, err = insert.changed(ctx)
		insert.args[i].Value = row[i]
	}
	if code(err) == codeConstraint {
		return false, nil
	}
	return n > 0, err
}

// bytesOf is a value's bytes, of a text too; never nil, which is NULL.
func bytesOf(v driver.Value) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case []byte:
		return there(v)
	}
	return []byte{}
}

// there is a blob that is not NULL.
func there(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// unread says that there is what cannot be read of a table. An older store may not
// have the table, which SQLite has no code of its own for.
func unread(err error) bool { return err != nil && code(err) != codeError }
