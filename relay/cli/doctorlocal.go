package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
	"invitation-relay/relay/outbox/sqlite"
)

const (
	littleSpace = 1 << 30   // bytes, below which the store's disk is a warning
	noSpace     = 100 << 20 // and below which it is a failure
	clockSlack  = 10 * time.Second
)

// lookAtStore looks at the store's folder, and with what it makes there at the clock.
func lookAtStore(ctx context.Context, cfg *config.Config, alive bool, now time.Time) []look {
	path := cfg.StorePath()
	folder, made := existing(filepath.Dir(path))
	looks := []look{clockAfterBuild(now)}
	f, err := os.CreateTemp(folder, ".invitation-relay-doctor-*")
	if err != nil {
		return append(looks, bad("store", "its folder takes no file: "+reasonOf(err), "store.url names a file; the user that runs the relay must own its folder"))
	}
	info, statErr := f.Stat()
	_ = f.Close()           // nothing was written
	_ = os.Remove(f.Name()) // a file of ours, and empty
	text := "its folder takes files"
	if !made {
		text = "its folder is not there yet, and can be made"
	}
	looks = append(looks, good("store", text))
	if statErr == nil {
		looks = append(looks, filesAgree(info.ModTime(), now))
	}
	looks = append(looks, space(folder)...)
	return append(looks, lookAtLock(ctx, cfg, alive)...)
}

// existing is the folder, or the nearest above it that is there.
func existing(folder string) (path string, is bool) {
	is = true
	for {
		if _, err := os.Stat(folder); err == nil || filepath.Dir(folder) == folder {
			return folder, is
		}
		folder, is = filepath.Dir(folder), false
	}
}

func space(folder string) []look {
	free, ok := freeSpace(folder)
	if !ok {
		return nil
	}
	return []look{spaceOf(free)}
}

// spaceOf says what so many free bytes mean.
func spaceOf(free int64) look {
	text := fmt.Sprintf("%d MiB are free on its disk", free>>20)
	const hint = "when it is full, webhooks are answered 503; shorten store.retention, or make room"
	switch {
	case free < noSpace:
		return bad("store", text, hint)
	case free < littleSpace:
		return poor("store", text, hint)
	}
	return good("store", text)
}

// lookAtLock says whether a relay may open the store, and could read it.
func lookAtLock(ctx context.Context, cfg *config.Config, alive bool) (looks []look) {
	path := cfg.StorePath()
	used, err := sqlite.InUse(path)
	switch {
	case err != nil:
		looks = append(looks, bad("store", "its lock cannot be asked: "+reasonOf(err), ""))
	case used && alive:
		looks = append(looks, good("store", "the relay that runs has it open"))
	case used:
		looks = append(looks, poor("store", "a process has it open, and no relay answers on admin.listen",
			"a relay that was started with another config, or hangs: another cannot start until it ends"))
	case alive:
		looks = append(looks, poor("store", "nobody has it open, though a relay answers on admin.listen",
			"the one that runs has another store: is it the right config?"))
	default:
		looks = append(looks, good("store", "nobody has it open"))
	}
	if _, err := os.Stat(path); err != nil {
		return append(looks, notThere(path))
	}
	keys, err := cfg.Store.RawKeys()
	if err != nil {
		return append(looks, bad("store.encryption_keys", err.Error(), ""))
	}
	r, err := sqlite.OpenReader(ctx, path, keys...)
	switch {
	case err == nil:
		_ = r.Close() // it only read
		return append(looks, good("store", "it can be read"))
	case errors.Is(err, sqlite.ErrOlder):
		return append(looks, good("store", "an older release wrote it: serve brings it up to date"))
	}
	return append(looks, bad("store", "it cannot be read: "+err.Error(), ""))
}

// notThere tells a store that is still to be made from one that was there: serve
// begins none anew beside a log with commits in it.
func notThere(path string) look {
	if log, err := os.Stat(path + "-wal"); err == nil && log.Size() > 0 {
		return bad("store", "it is gone, and its log is not: "+log.Name(), "put a backup in its place, or move what is beside it away to start with an empty one")
	}
	return good("store", "it is not there yet: serve makes it")
}

// clockAfterBuild holds the clock against the day this program was made of.
func clockAfterBuild(now time.Time) look {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil && now.Before(at) {
				return bad("clock", "it is before the day this program was built", "set the clock: signatures, retries and certificates depend on it")
			}
		}
	}
	return good("clock", "it says "+now.UTC().Format("2006-01-02 15:04 UTC"))
}

// filesAgree holds the clock against that of the disk, which may be on another machine.
func filesAgree(modified, now time.Time) look {
	if d := modified.Sub(now).Abs(); d > clockSlack {
		return poor("clock", fmt.Sprintf("files in the store's folder are dated %s apart from it", d.Round(time.Second)),
			"is the folder on another machine? SQLite needs a local disk")
	}
	return good("clock", "files are dated by it")
}

// relayAnswers reports whether a relay answers on the config's admin listener.
func relayAnswers(ctx context.Context, cfg *config.Config) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+local(cfg.Admin.Listen)+"/livez", nil)
	if err != nil {
		return false
	}
	t := &http.Transport{}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }() // it is small
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return resp.StatusCode == http.StatusOK && strings.Contains(string(body), `"alive"`)
}

// local is how this machine reaches a listener.
func local(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func lookAtListeners(ctx context.Context, cfg *config.Config, alive bool, now time.Time) []look {
	looks := []look{
		lookAtPort(ctx, "server.listen", cfg.Server.Listen, alive),
		lookAtPort(ctx, "admin.listen", cfg.Admin.Listen, alive),
	}
	if cfg.Server.TLS.CertFile == "" {
		return looks
	}
	pair, err := tls.LoadX509KeyPair(cfg.Server.TLS.CertFile, cfg.Server.TLS.KeyFile)
	if err != nil {
		return append(looks, bad("server.tls", "certificate and key cannot be read, or do not belong together", "cert_file and key_file are PEM files"))
	}
	return append(looks, look{"server.tls", relay.CertificateFinding(pair.Leaf.NotAfter, now), ""})
}

func lookAtPort(ctx context.Context, what, address string, alive bool) look {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		_ = l.Close() // nobody was served
		return good(what, "the port is free")
	case errors.Is(err, syscall.EADDRINUSE) && alive:
		return good(what, "the relay that runs has the port")
	case errors.Is(err, syscall.EADDRINUSE):
		return bad(what, "another program has the port", "stop it, or change "+what)
	case errors.Is(err, syscall.EACCES):
		return bad(what, "this user may not have the port", "ports below 1024 need more rights")
	}
	return bad(what, "nothing can listen there: "+reasonOf(err), "is the address one of this machine's?")
}

// reasonOf is the innermost error: those around it quote paths and addresses.
func reasonOf(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
