package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"

	sqlite3 "modernc.org/sqlite"
)

// conn is one connection of the driver, without database/sql around it: that
// costs several microseconds a statement. It is not safe for concurrent use.
// Contexts given to it must not end (context.WithoutCancel): the driver would
// start a goroutine for each statement to watch them.
type conn struct {
	c     driver.Conn
	stmts []*stmt
	doubt error // after which nothing more is written with it, see writer
}

// dial opens a connection. params are the driver's, "_pragma=…" included.
func dial(path, params string) (*conn, error) {
	return open(dsn(path, params))
}

func open(dsn string) (*conn, error) {
	c, err := new(sqlite3.Driver).Open(dsn)
	if err != nil {
		return nil, err
	}
	return &conn{c: c}, nil
}

// dsn names the file for the driver: as a URI, so that any path is taken as it
// is. Defensive mode keeps SQL from damaging the file; a misspelt column in
// double quotes is an error and not a string.
func dsn(path, params string) string {
	return uri(path, "_defensive=1&_dqs=0&_error_rc=1"+params)
}

func uri(path, query string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	if !filepath.IsAbs(path) {
		u = url.URL{Scheme: "file", Opaque: url.PathEscape(filepath.ToSlash(path))}
	}
	u.RawQuery = query
	return u.String()
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

// exec runs SQL once: one statement or several.
func (c *conn) exec(ctx context.Context, sql string) error {
	_, err := c.c.(driver.ExecerContext).ExecContext(ctx, sql, nil)
	return err
}

// value runs a query once and returns the first column of its first row, nil
// when there is none.
func (c *conn) value(ctx context.Context, sql string, args ...driver.Value) (driver.Value, error) {
	named := make([]driver.NamedValue, len(args))
	for i, v := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	rows, err := c.c.(driver.QueryerContext).QueryContext(ctx, sql, named)
	if err != nil {
		return nil, err
	}
	dest := make([]driver.Value, len(rows.Columns()))
	if err = rows.Next(dest); errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, rows.Close()); err != nil || len(dest) == 0 {
		return nil, err
	}
	return dest[0], nil
}

// runOnce runs a statement that is too seldom to be kept prepared.
func (c *conn) runOnce(ctx context.Context, sql string, args ...any) error {
	q, err := c.prepareOnce(sql, len(args), 0)
	if err != nil {
		return err
	}
	defer func() { _ = q.s.Close() }() // what it did is not undone by that
	for i, v := range args {
		q.args[i].Value = v
	}
	return q.run(ctx)
}

// stmt is a prepared statement with room for its arguments and one result row.
type stmt struct {
	s     driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	args  []driver.NamedValue
	dest  []driver.Value
}

// prepare makes a statement with n parameters and cols result columns that
// lives as long as the connection.
func (c *conn) prepare(sql string, n, cols int) (*stmt, error) {
	s, err := c.prepareOnce(sql, n, cols)
	if err == nil {
		c.stmts = append(c.stmts, s)
	}
	return s, err
}

func (c *conn) prepareOnce(sql string, n, cols int) (*stmt, error) {
	d, err := c.c.Prepare(sql)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", sql, err)
	}
	s := &stmt{
		s: d, exec: d.(driver.StmtExecContext), query: d.(driver.StmtQueryContext),
		args: make([]driver.NamedValue, n), dest: make([]driver.Value, cols),
	}
	for i := range s.args {
		s.args[i].Ordinal = i + 1
	}
	return s, nil
}

// run executes the statement with the arguments set in args.
func (s *stmt) run(ctx context.Context) error {
	_, err := s.exec.ExecContext(ctx, s.args)
	return err
}

// changed is run, and returns how many rows it changed.
func (s *stmt) changed(ctx context.Context) (int64, error) {
	r, err := s.exec.ExecContext(ctx, s.args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row runs a query and puts its first row into dest; false: there is none.
func (s *stmt) row(ctx context.Context) (found bool, err error) {
	clear(s.dest)
	err = s.each(ctx, func() error { found = true; return io.EOF })
	return found, err
}

// each runs a query and calls f with each row in dest. io.EOF from f ends it.
func (s *stmt) each(ctx context.Context, f func() error) (err error) {
	rows, err := s.query.QueryContext(ctx, s.args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for {
		switch err := rows.Next(s.dest); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch err := f(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// The columns of dest by type; the zero value for NULL. A flipped bit makes a text a
// blob and a blob a text, and changes nothing of what they say.
func (s *stmt) int(i int) int64 { v, _ := s.dest[i].(int64); return v }

func (s *stmt) blob(i int) []byte {
	if v, ok := s.dest[i].(string); ok {
		return []byte(v)
	}
	v, _ := s.dest[i].([]byte)
	return v
}

func (s *stmt) text(i int) string {
	if v, ok := s.dest[i].([]byte); ok {
		return string(v)
	}
	v, _ := s.dest[i].(string)
	return v
}
