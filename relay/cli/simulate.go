package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"
)

const simulateHelp = `usage: invitation-relay simulate [-c FILE] [--source NAME] [--sample NAME]
       invitation-relay simulate --to URL [--user NAME --password-file FILE] [--key-file FILE]
       invitation-relay simulate --list

The vendor in a box: posts a webhook as Preventor does, plain or encrypted, and
prints the answer. Address, path, credentials and key are those of the config;
the flags override them, and with --to alone no config is read. A source with
keys gets its messages encrypted. Exits 1 when an answer is not 2xx.

  -c, --config FILE          the config (default config.yaml)
      --source NAME          which of its sources to send to (default the first)
      --to URL               where to send to
      --user NAME            user name of Basic auth
      --password-file FILE   the password, in a file: secrets are never flags
      --key-file FILE        the key, in a file: encrypt with it
      --plain                do not encrypt, whatever the config says

      --sample NAME          a sample of --list, a file, or - (default rejected, or
                             ticket-rejected for a source of tickets)
      --list                 print the names of the samples
      --fresh                give the sample an id and a ticket of its own; without,
                             it goes as it is, and a second time is a duplicate
      --count N              send N messages, each fresh
      --duplicates N         send each message N more times, as it was
      --rate N/s             so many a second (also N/m), whatever the answers take
      --json                 print each answer as a line of JSON

example: invitation-relay init && invitation-relay serve -c relay.yaml &
         invitation-relay simulate -c relay.yaml --sample accepted
         invitation-relay simulate -c relay.yaml --count 1000 --rate 200/s
`

const (
	maxInFlight = 64 // messages under way at once, with --rate
	maxCount    = 100_000_000
)

// simulation is what is sent, and how it is shown.
type simulation struct {
	to                destination
	sample, rate      string
	count, duplicates int
	fresh, list, json bool
}

func newSimulate(w *world) *cobra.Command {
	var s simulation
	cmd := &cobra.Command{
		Use: "simulate",
		Args: func(cmd *cobra.Command, args []string) error {
			// A flag that may stand alone takes its value after "=" only; people write a blank.
			if n, err := strconv.Atoi(strings.Join(args, " ")); err == nil && cmd.Flags().Changed("duplicates") {
				s.duplicates = n
				return nil
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.to.configNamed, s.to.sourceSeen = cmd.Flags().Changed("config"), cmd.Flags().Changed("source")
			return s.run(cmd.Context(), w)
		},
	}
	s.to.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&s.sample, "sample", "", "")
	f.BoolVar(&s.list, "list", false, "")
	f.BoolVar(&s.fresh, "fresh", false, "")
	f.IntVar(&s.count, "count", 1, "")
	f.IntVar(&s.duplicates, "duplicates", 0, "")
	f.Lookup("duplicates").NoOptDefVal = "1"
	f.StringVar(&s.rate, "rate", "", "")
	f.BoolVar(&s.json, "json", false, "")
	setHelp(cmd, simulateHelp)
	return cmd
}

func (s *simulation) run(ctx context.Context, w *world) error {
	if s.list {
		names, err := sampleNames(w.files)
		for _, n := range names {
			fmt.Fprintln(w.stdout, n)
		}
		return err
	}
	pace, err := s.check()
	if err != nil {
		return err
	}
	v, err := s.to.vendor(w)
	if err != nil {
		return err
	}
	defer v.close()
	m, err := loadSample(w, s.sampleName())
	if err != nil {
		return err
	}
	how := "plain"
	if m.iv != "" || len(v.key) > 0 {
		how = "encrypted"
	}
	as := "without a user"
	if v.username != "" {
		as = "as " + printable(v.username)
	}
	fmt.Fprintf(w.stderr, "POST %s, %s, %s\n", shownURL(v), as, how)

	r := newReport(w, s)
	s.send(ctx, v, m, pace, r)
	r.end()
	if ctx.Err() != nil {
		return &failure{code: exitFailed, msg: "interrupted"}
	}
	return r.verdict(how == "encrypted")
}

// sampleName is the sample asked for, or one that the source understands.
func (s *simulation) sampleName() string {
	switch {
	case s.sample != "":
		return s.sample
	case s.to.preset == "idv-ticket":
		return "ticket-rejected"
	default:
		return "rejected"
	}
}

// check looks at the numbers, and returns the pace; 0 is one after the other.
func (s *simulation) check() (rate.Limit, error) {
	if s.count < 1 || s.count > maxCount || s.duplicates < 0 || s.duplicates > maxCount {
		return 0, wrongUsage("--count is at least 1, --duplicates at least 0", "--count 10 --duplicates 1 sends ten messages twice")
	}
	if s.rate == "" {
		return 0, nil
	}
	number, unit, _ := strings.Cut(s.rate, "/")
	n, err := strconv.ParseFloat(number, 64)
	seconds := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || seconds == 0 || !(n > 0) || n > 1e6 {
		return 0, wrongUsage("--rate is not a number a second", "write it like 200/s or 30/m")
	}
	return rate.Limit(n / seconds), nil
}

// send sends everything: one after the other, or, at a pace, without waiting for
// answers, up to maxInFlight at once. It returns when all answers are in.
func (s *simulation) send(ctx context.Context, v *vendor, m sample, pace rate.Limit, r *report) {
	limit, inFlight := rate.NewLimiter(rate.Inf, 1), 1
	if pace > 0 {
		late := max(1, int(pace/20)) // a busy machine wakes us late: make up for 50 ms
		limit, inFlight = rate.NewLimiter(pace, late), maxInFlight
		limit.AllowN(time.Now(), late-1) // but do not begin with it
	}
	slots := make(chan struct{}, inFlight)
	var wg sync.WaitGroup
	defer wg.Wait()
	for range s.count {
		next := m
		if s.fresh || s.count > 1 {
			next = m.fresh()
		}
		for range 1 + s.duplicates {
			if limit.Wait(ctx) != nil {
				return // interrupted
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() {
				defer func() { <-slots }()
				a, err := v.send(ctx, next)
				if err != nil && errors.Is(err, context.Canceled) {
					return
				}
				r.add(next, a, err)
			})
		}
	}
}
