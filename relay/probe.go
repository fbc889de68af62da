package relay

import (
	"context"
	"time"

	"invitation-relay/relay/target"
)

// Finding is what looking at a target found: see target.Prober.
type Finding = target.Finding

// The levels of a Finding.
const (
	OK   = target.OK
	Warn = target.Warn
	Fail = target.Fail
)

// Probe looks at a target without sending it anything, each step for at most the
// time each. Nothing is found of a target that is not in the config, or that
// reaches for nothing outside the relay.
func (d *DryRun) Probe(ctx context.Context, name string, each time.Duration) []Finding {
	p, ok := d.targets[name].(target.Prober)
	if !ok {
		return nil
	}
	return p.Probe(ctx, each)
}

// CertificateFinding says how long a certificate is valid that ends then.
func CertificateFinding(end, now time.Time) Finding { return target.CertificateFinding(end, now) }
