package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// bulkHelp describes the flags of the bulk forms, which stand behind the filters.
const bulkHelp = `      --limit N              at most so many
      --dry-run              say how many, and change nothing
      --yes                  do not ask; without a terminal it must be given
`

// bulkPage is how many one request of a bulk change takes on.
const bulkPage = 256

// bulk is a change of all that filters name.
type bulk struct {
	word      string // the verb: retry
	past      string // retried
	one, many string // what is changed
	path      []string
	query     url.Values
	limit     int // 0: no limit
	dryRun    bool
	yes       bool
}

// addFlags declares the flags beside those of the filters.
func (b *bulk) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&b.dryRun, "dry-run", false, "")
	cmd.Flags().BoolVar(&b.yes, "yes", false, "")
}

// tally is what one page of a bulk change did, or all of them.
type tally struct {
	Matched    int    `json:"matched"`
	Changed    int    `json:"changed"`
	Busy       *int   `json:"busy,omitempty"`       // of deliveries: an attempt was under way
	Duplicates *int   `json:"duplicates,omitempty"` // of refused events: taken before
	Failed     *int   `json:"failed,omitempty"`     // of events: refused again, or they have no body
	Next       string `json:"next"`
}

func (t *tally) add(page *tally) {
	t.Matched += page.Matched
	t.Changed += page.Changed
	t.Next = page.Next
	t.Busy = sum(t.Busy, page.Busy)
	t.Duplicates = sum(t.Duplicates, page.Duplicates)
	t.Failed = sum(t.Failed, page.Failed)
}

func sum(a, b *int) *int {
	switch {
	case b == nil:
		return a
	case a == nil:
		a = new(int)
	}
	n := *a + *b
	return &n
}

// run counts, asks, and changes. It reports what it did on stdout.
func (b *bulk) run(ctx context.Context, w *world, o *operation, api *adminAPI) error {
	would, err := b.pages(ctx, api, true, nil)
	if err != nil {
		return fmt.Errorf("count %s to %s: %w", b.many, b.word, err)
	}
	what := counted(would.Matched, b.one, b.many)
	if b.dryRun || would.Matched == 0 {
		if o.json {
			return writeJSON(w.stdout, would)
		}
		fmt.Fprintf(w.stdout, "%s to %s\n", what, b.word)
		return api.unknownTarget(ctx, b.query.Get("target"), would.Matched)
	}
	if !b.yes {
		if err := confirm(ctx, w, b.word+" "+what+"?"); err != nil {
			return err
		}
	}
	p := newProgress(w.stderr)
	done, err := b.pages(ctx, api, false, func(n int) { p.tick(n, "of "+grouped(would.Matched)) })
	p.clear()
	if err != nil {
		return fmt.Errorf("%s %s, %s of them done: %w", b.word, what, grouped(done.Changed), err)
	}
	if o.json {
		err = writeJSON(w.stdout, done)
	} else {
		_, err = fmt.Fprintln(w.stdout, b.said(done))
	}
	if err == nil && done.Failed != nil && *done.Failed > 0 {
		return errSaid
	}
	return err
}

// pages goes through all pages, and says after each how many it has seen.
func (b *bulk) pages(ctx context.Context, api *adminAPI, dryRun bool, after func(n int)) (*tally, error) {
	all := &tally{}
	q := url.Values{}
	for name, values := range b.query {
		q[name] = slices.Clone(values)
	}
	if dryRun {
		q.Set("dry_run", "true")
	}
	for {
		n := bulkPage
		if b.limit > 0 {
			n = min(n, b.limit-all.Matched)
		}
		setLimit(q, n)
		page, err := ask[tally](api.post(ctx, q, b.path...))
		if err != nil {
			return all, err
		}
		all.add(page)
		if after != nil {
			after(all.Matched)
		}
		if page.Next == "" || b.limit > 0 && all.Matched >= b.limit {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

// said is what was done, in a line.
func (b *bulk) said(t *tally) string {
	text := fmt.Sprintf("%s %s", b.past, counted(t.Changed, b.one, b.many))
	if t.Busy != nil && *t.Busy > 0 {
		text += fmt.Sprintf("; %s left alone, an attempt was under way", grouped(*t.Busy))
	}
	if t.Duplicates != nil && *t.Duplicates > 0 {
		text += "; " + counted(*t.Duplicates, "was", "were") + " taken before"
	}
	if t.Failed != nil && *t.Failed > 0 {
		why := "refused again"
		if b.query.Get("refused") == "" {
			why = "not: the body is erased, or it could not be stored"
		}
		text += "; " + counted(*t.Failed, "was", "were") + " " + why
	}
	return text
}

// confirm asks a person at the terminal, and is nil for a yes.
func confirm(ctx context.Context, w *world, question string) error {
	unasked := wrongUsage("nobody is at a terminal to be asked: "+question, "--yes answers it, --dry-run only counts")
	in, ok := w.stdin.(*os.File)
	if !ok || !terminal(in) {
		return unasked
	}
	fmt.Fprint(w.stderr, question+" [y/N] ")
	answered := make(chan string, 1)
	go func() { // it ends with the process when nobody answers
		defer close(answered)
		if line, err := firstLine(in); err == nil {
			answered <- line
		}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(w.stderr)
		return &failure{code: exitFailed, msg: "nothing has changed"}
	case line, ok := <-answered:
		if !ok { // as of /dev/null, which looks like a terminal
			fmt.Fprintln(w.stderr)
			return unasked
		}
		if yes := strings.ToLower(strings.TrimSpace(line)); yes == "y" || yes == "yes" {
			return nil
		}
		return &failure{code: exitFailed, msg: "nothing has changed"}
	}
}

// firstLine reads up to the first line break, and not a byte further.
func firstLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		switch {
		case n == 1 && b[0] == '\n':
			return string(line), nil
		case n == 1:
			line = append(line, b[0])
		case errors.Is(err, io.EOF) && len(line) > 0:
			return string(line), nil
		case err != nil:
			return "", err
		}
	}
}
