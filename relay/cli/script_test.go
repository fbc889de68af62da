package cli_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"invitation-relay/relay/cli"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/relaytest/racetest"
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

// running finds a script that runs a relay.
var running = regexp.MustCompile(`(?m)^(! )?exec invitation-relay (serve|demo)`)

// scripts are all in a folder. Under the race detector, which makes them take
// long, they are those that run a relay: the other commands have one goroutine.
func scripts(t *testing.T, folder string) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no scripts in %s: %v", folder, err)
	}
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !racetest.Watched || running.Match(text) {
			files = append(files, file)
		}
	}
	return files
}

func TestCommandsDoWhatTheirScriptsSay(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:               scripts(t, filepath.Join(root, "testdata", "script")),
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv(repository, root)
			e.Setenv("REPOSITORY", root)
			listen, admin := relaytest.TwoPorts(t)
			e.Setenv("RELAY_LISTEN", listen)
			e.Setenv("RELAY_ADMIN_LISTEN", admin)
			return startHooks(e)
		},
		Condition: func(cond string) (bool, error) {
			if cond != "watched" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return racetest.Watched, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready":  ready,
			"reload": reload,
			"mode":   mode,
			"slack":  slack("slack"),
			"ops":    slack("ops"),

			"eventually": eventually,
			"capture":    capture,
		},
	})
}

// ready waits until the relay started in the background takes webhooks.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: ready")
	}
	url := "http://" + ts.Getenv("RELAY_ADMIN_LISTEN") + "/readyz"
	waitFor(ts, "the relay is ready", func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// reload makes the relay started in the background read its config again.
func reload(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: reload")
	}
	resp, err := http.Post("http://"+ts.Getenv("RELAY_ADMIN_LISTEN")+"/-/reload", "", nil)
	ts.Check(err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("reload: %s", resp.Status)
	}
}

// eventually runs invitation-relay again and again until its output matches.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN ARGUMENT…")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	waitFor(ts, args[0]+" is in what it says", func() bool {
		_ = ts.Exec("invitation-relay", args[1:]...) // its output says how it went
		return pattern.MatchString(ts.ReadFile("stdout"))
	})
}

// capture sets a variable to what the first group of a pattern matches in stdout.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	m := pattern.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("nothing matches %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// waitFor waits for what another process does: there is nothing to wait on. An
// alarm's end is told only after half a minute, hence so long.
func waitFor(ts *testscript.TestScript, what string, is func() bool) {
	for limit := time.Now().Add(90 * time.Second); !is(); {
		if time.Now().After(limit) {
			ts.Fatalf("it never came that %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func countIs(n int, want string) bool { return strconv.Itoa(n) == want }

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
