// Command invitation-relay receives Preventor's identity-verification webhook
// and forwards it to Slack, HTTP and email by rules. README.md says how to use
// it, relay/doc.go how it works.
package main

import (
	"context"
	"embed"
	"os"
	"os/signal"
	"syscall"

	"invitation-relay/relay/cli"
)

// files travel in the binary, so that demo and simulate work from any
// folder without a file beside them.
//
//go:embed config.example.yaml testdata/samples
var files embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills at once
	os.Exit(cli.Run(ctx, os.Args[1:], files, os.Stdin, os.Stdout, os.Stderr))
}
