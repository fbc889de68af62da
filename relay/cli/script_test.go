package cli_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"invitation-relay/relay/cli"
)

// The scripts in testdata/script are the tests of the commands, and show how
// they are used. UPDATE=1 rewrites what they expect: read the diff.

const repository = "RELAY_TEST_REPOSITORY"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"invitation-relay": relayMain})
}

// relayMain is main, with the embedded files read from the repository.
func relayMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, os.Args[1:], os.DirFS(os.Getenv(repository)), os.Stdin, os.Stdout, os.Stderr)) //nolint:gocritic // the process ends here
}

func TestCommandsDoWhatTheirScriptsSay(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(root, "testdata", "script"),
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv(repository, root)
			e.Setenv("REPOSITORY", root)
			e.Setenv("RELAY_LISTEN", freePort(t))
			e.Setenv("RELAY_ADMIN_LISTEN", freePort(t))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": ready,
			"mode":  mode,
		},
	})
}

// ready waits until the relay started in the background takes webhooks.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: ready")
	}
	url := "http://" + ts.Getenv("RELAY_ADMIN_LISTEN") + "/readyz"
	limit := time.Now().Add(30 * time.Second)
	for time.Now().Before(limit) {
		resp, err := http.Get(url)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		<-time.After(10 * time.Millisecond) // another process: there is nothing to wait on
	}
	ts.Fatalf("the relay is not ready")
}

// mode demands a file's permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode PERMISSIONS FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
