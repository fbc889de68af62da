package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
	"invitation-relay/relay/outbox"
)

const serveHelp = `usage: invitation-relay serve [-c FILE]

Runs the relay. It prints a line for each listener and source once it listens;
its log goes to standard error. SIGHUP reads the config again: all of it takes
effect, or, when there is a mistake in it, nothing. SIGTERM and Ctrl-C stop it:
no new webhooks, attempts in flight end, then it exits with 0.

  -c, --config FILE   the config (default config.yaml)

example: invitation-relay serve -c config.example.yaml
`

func newServe(w *world) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:  "serve",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), w, file)
		},
	}
	configFlag(cmd, &file)
	setHelp(cmd, serveHelp)
	return cmd
}

func serve(ctx context.Context, w *world, file string) error {
	cfg, problems := config.Load(file, config.Options{Lookup: w.lookup})
	if err := unreadable(problems); err != nil {
		return err
	}
	if problems.Err() != nil {
		for _, p := range problems {
			fmt.Fprintln(w.stderr, p)
		}
		return errSaid
	}
	log, setLevel := newLogger(w.stderr, cfg.Log)
	logWarnings(log, problems)
	load := func() (*config.Config, error) {
		cfg, problems := config.Load(file, config.Options{Lookup: w.lookup})
		logWarnings(log, problems)
		return cfg, problems.Err()
	}
	r, err := relay.New(ctx, cfg, relay.Options{
		Load: load, Log: log, Version: version(),
		Applied: func(cfg *config.Config) { setLevel(cfg.Log) },
	})
	if err != nil {
		return inLog(log, startHint(err))
	}
	announce(w, cfg, r)
	go giveHeapRoom(w.lookup)
	// Until Run has returned: a SIGHUP that comes while it winds up must not kill it.
	up, down := context.WithCancel(context.WithoutCancel(ctx))
	defer down()
	go reloadOnHangup(up, r, log)
	return inLog(log, r.Run(ctx))
}

// inLog says in the log, as the last of it, why serve failed, when a machine reads
// it: once the config is read, all of standard error is JSON then.
func inLog(log *slog.Logger, err error) error {
	if _, machine := log.Handler().(*slog.JSONHandler); err == nil || !machine {
		return err
	}
	why := []any{"err", err}
	if f, ok := errors.AsType[*failure](err); ok && f.hint != "" {
		why = append(why, "hint", f.hint)
	}
	log.Error("serve failed", why...)
	return errSaid
}

// logWarnings logs what check would warn of, at the start and at each reload.
func logWarnings(log *slog.Logger, problems config.Problems) {
	for _, p := range problems {
		if p.Warning {
			log.Warn("doubt about the config", "at", fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col), "warning", p.Message, "hint", p.Hint)
		}
	}
}

// reloadOnHangup reads the config again at each SIGHUP. The relay logs how it went.
func reloadOnHangup(ctx context.Context, r *relay.Relay, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			log.Info("reloading on SIGHUP")
			_ = r.Reload(ctx) // logged there
		}
	}
}

// announce says where to reach what, now that it is true.
func announce(w *world, cfg *config.Config, r *relay.Relay) {
	scheme := "http"
	if cfg.Server.TLS.CertFile != "" {
		scheme = "https"
	}
	fmt.Fprintf(w.stdout, "webhooks on %s://%s%s\n", scheme, shown(r.Addr()), everywhere(r.Addr()))
	for _, s := range cfg.SourcesInOrder() {
		fmt.Fprintf(w.stdout, "  source %s: POST %s (%s)\n", s.Name, s.Path, shows(s))
	}
	fmt.Fprintf(w.stdout, "admin on http://%s%s\n", shown(r.AdminAddr()), everywhere(r.AdminAddr()))
}

// shown is an address as it can be clicked: a listener on every address is reached on this machine by localhost.
func shown(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return a.String()
}

// everywhere says that more than this machine can reach a.
func everywhere(a net.Addr) string {
	if host, _, err := net.SplitHostPort(a.String()); err == nil && net.ParseIP(host).IsUnspecified() {
		return ", and on every other address of this machine"
	}
	return ""
}

// shows is what a sender must show, in a few words.
func shows(s *config.Source) string {
	var all []string
	for _, kind := range []struct {
		word string
		set  bool
	}{
		{"Basic auth", len(s.Auth.Basic) > 0},
		{"header", len(s.Auth.Headers) > 0},
		{"signature", len(s.Auth.Signature) > 0},
		{"address", len(s.Auth.AllowFrom) > 0},
		{"encrypted", len(s.Encryption.Keys) > 0},
	} {
		if kind.set {
			all = append(all, kind.word)
		}
	}
	if len(all) == 0 {
		return "anybody"
	}
	return strings.Join(all, ", ")
}

// startHint adds the next step to what keeps a relay from starting.
func startHint(err error) error {
	f := &failure{code: exitFailed, err: err}
	switch {
	case errors.Is(err, outbox.ErrLocked):
		f.hint = "stop the other one, or give this one a store.url of its own"
	case errors.Is(err, outbox.ErrNewer):
		f.hint = "start the release that wrote it, or a newer one"
	case errors.Is(err, syscall.EADDRINUSE):
		f.hint = "another program listens there: stop it, or change server.listen or admin.listen"
	case errors.Is(err, syscall.EACCES):
		f.hint = "ports below 1024 and other people's files need more rights than this user has"
	}
	return f
}
