package relay

import (
	"errors"
	"fmt"

	"golang.org/x/time/rate"

	"invitation-relay/relay/config"
	"invitation-relay/relay/dispatch"
	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
	"invitation-relay/rules"
)

// assemble builds everything of a config that can fail, and changes nothing
// that runs: a plan that is not put in force is closed.
func (r *Relay) assemble(cfg *config.Config) (*plan, error) {
	p := &plan{
		cfg:      cfg,
		rules:    cfg.Set,
		counters: r.metrics.forRules(cfg.Set.Names()),
		targets:  map[string]target.Target{},
		address:  map[string][]outbox.Address{},
		order:    map[string]func(ev *event.Event) (string, error){},
		sources:  map[string]source{},
	}
	ic := intake.Config{
		TrustedProxies: cfg.Server.TrustedProxies,
		Now:            r.opts.Now,
		IDs:            &r.ids,
		Log:            r.log.With("component", "intake"),
		Metrics:        r.intake,
		Accept:         r.accept,
		Room:           &r.room,
		Refuse:         r.outbox.Refuse,
		Draining:       r.draining.Load,
		Tracer:         r.tracer,
	}
	for _, s := range cfg.SourcesInOrder() {
		built, err := newSource(cfg.Env, s)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s.Name, err)
		}
		ic.Sources = append(ic.Sources, built)
		p.sources[s.Name] = source{built.Schema, s.Dedupe.Window, s.KeepRefused.For, s.KeepRefused.Max}
	}
	var err error
	if p.ruleset, err = rulesetOf(cfg); err != nil {
		return nil, err
	}
	if p.intake, err = intake.New(ic); err != nil {
		return nil, fmt.Errorf("intake: %w", err)
	}
	for _, t := range cfg.TargetsInOrder() {
		built, err := newTarget(t, target.Deps{
			Env: cfg.Env, Log: r.log.With("component", "target"), Quick: t.Retry.Quick, Version: r.opts.Version,
			Threads: threads{r.store, t.Name, r.opts.Now},
		})
		if err != nil {
			p.close()
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		p.targets[t.Name] = built
		p.address[t.Name] = addresses(t.Name, built)
		if p.order[t.Name], err = order(cfg.Env, t.OrderedBy); err != nil {
			p.close()
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
	}
	return p, nil
}

// close lets go of a plan that is not put in force.
func (p *plan) close() {
	for _, t := range p.targets {
		t.Close()
	}
}

// lanes is how dispatch is to serve the plan's targets, which it then owns.
func (p *plan) lanes() []dispatch.Lane {
	var lanes []dispatch.Lane
	for _, t := range p.cfg.TargetsInOrder() {
		lanes = append(lanes, dispatch.Lane{
			Name: t.Name, Target: p.targets[t.Name], Settings: settings(t), Concurrency: t.Concurrency,
			Rate:  rate.Limit(t.Rate.PerSecond()),
			Retry: dispatch.Schedule{Initial: t.Retry.Initial, Max: t.Retry.Max, MaxAge: t.Retry.MaxAge},
			Order: p.order[t.Name], OrderedBy: t.OrderedBy,
			Digest: dispatch.Digest{Every: t.Digest.Every, Max: t.Digest.Max},
		})
	}
	return lanes
}

// settings are what a target's kind is told. Pointers, secrets and YAML trees are
// among it: what matters is that two readings of one file are reflect.DeepEqual.
func settings(t *config.Target) any {
	return config.Target{HTTP: t.HTTP, Slack: t.Slack, Email: t.Email, Log: t.Log}
}

// order is what deliveries of a target are ordered by; nil: by nothing.
func order(env *rules.Env, expression string) (func(ev *event.Event) (string, error), error) {
	if expression == "" {
		return nil, nil //nolint:nilnil // no order is no mistake
	}
	key, problem := rules.CompileValue(env, expression)
	if problem != nil {
		return nil, fmt.Errorf("ordered_by: %s", problem.Message)
	}
	return func(ev *event.Event) (string, error) { return key.Text(input(ev)) }, nil
}

// newTarget builds a target that is handed what may leave of an event.
func newTarget(t *config.Target, d target.Deps) (target.Target, error) {
	built, err := newKind(t, d)
	if err != nil {
		return nil, err
	}
	return target.Shaped(built, target.Shape{Fields: t.Fields, Mask: t.Mask}), nil
}

// newKind is the one list of kinds.
func newKind(t *config.Target, d target.Deps) (target.Target, error) {
	switch {
	case t.HTTP != nil:
		return target.NewHTTP(t.Name, *t.HTTP, d)
	case t.Slack != nil:
		return target.NewSlack(t.Name, *t.Slack, d)
	case t.Email != nil:
		return target.NewEmail(t.Name, *t.Email, d)
	case t.Log != nil:
		return target.NewLog(t.Name, *t.Log, d)
	}
	return nil, errors.New("no kind")
}

// addresses are the deliveries one event becomes at a target.
func addresses(name string, t target.Target) []outbox.Address {
	recipients := t.Recipients()
	if recipients == nil {
		return []outbox.Address{outbox.AddressOf(name, "")}
	}
	var all []outbox.Address
	for _, rcpt := range recipients {
		all = append(all, outbox.AddressOf(name, rcpt))
	}
	return all
}

func newSource(env *rules.Env, s *config.Source) (*intake.Source, error) {
	keys, err := s.Encryption.RawKeys()
	if err != nil {
		return nil, err
	}
	out := &intake.Source{
		Name: s.Name, Path: s.Path, Keys: keys,
		PlaintextUntil: s.Encryption.AcceptPlaintextUntil,
		MaxBody:        int64(s.MaxBody),
		Schema:         schema(s.Preset, s.Fields),
		KeepRefused:    s.KeepRefused.For > 0 && s.KeepRefused.Max > 0,
		Auth:           intake.Auth{Signature: s.Auth.Signature, AllowFrom: s.Auth.AllowFrom, Anonymous: s.Auth.Anonymous},
	}
	for _, b := range s.Auth.Basic {
		out.Auth.Basic = append(out.Auth.Basic, intake.Basic{Username: b.Username, Password: b.Password})
	}
	for _, h := range s.Auth.Headers {
		out.Auth.Headers = append(out.Auth.Headers, intake.Header{Name: h.Name, Value: h.Value})
	}
	if s.Dedupe.Key != "" {
		key, problem := rules.CompileValue(env, s.Dedupe.Key)
		if problem != nil {
			return nil, fmt.Errorf("dedupe.key: %s", problem.Message)
		}
		out.DedupeKey = func(ev *event.Event) (string, error) { return key.Text(input(ev)) }
	}
	return out, nil
}

// schema is what intake demands of a body: the preset's documented fields have
// their documented types.
func schema(preset string, declared map[string]string) *intake.Schema {
	fields, _ := rules.PresetFields(preset)
	s := &intake.Schema{Types: map[string]intake.Type{}, Values: map[string][]string{}}
	for name := range declared {
		s.Types[name] = intake.Any // a value of another type is a rule's verdict, no reason to refuse a webhook
	}
	for _, f := range fields {
		if !f.Documented {
			s.Types[f.Name] = intake.Any
			continue
		}
		s.Types[f.Name] = intakeType(f.Type)
		if len(f.Known) > 0 {
			s.Values[f.Name] = f.Known
		}
	}
	switch preset {
	case "invitation":
		s.Required, s.Subject = []string{"id"}, []string{"id"}
	case "idv-ticket":
		s.Required, s.Subject = []string{"ticket", "event"}, []string{"ticket"}
	}
	s.Ticket, s.Person = []string{"ticket"}, []string{"cifcod"}
	s.Status = []string{"transaction_status", "flow_status", "status"}
	return s
}

func intakeType(t rules.Type) intake.Type {
	switch t {
	case rules.String:
		return intake.String
	case rules.Integer:
		return intake.Integer
	case rules.Number:
		return intake.Number
	case rules.Bool:
		return intake.Bool
	default:
		return intake.Any
	}
}
