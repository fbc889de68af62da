package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
)

const forgetHelp = `usage: invitation-relay forget --cifcod ID [--json]

Erases one person from the store, whether the relay runs or not; one that --admin
or RELAY_ADMIN names must run. Gone are the bodies of her events, her id and its
hash, the ids of invitation and ticket, and what was refused of her. It looks at
every body, which takes some 20 s for a million of them. Events that name nobody
are hers when they have an invitation or ticket of hers. Her deliveries that are
pending or dead are discarded; one whose attempt is under way is waited for.
Events stay, of no one, for the history of targets.

What has left the relay is with its receivers, and copies made by backup, or of
the disk, still have her. What was refused and no key in the config opens, or is
damaged, nobody can look into: it goes when keep_refused.for is over. Of events
that are damaged the number is told, and then the exit is 1.

      --cifcod ID            who; - reads it from standard input, so that it is in
                             no list of processes
` + operateHelp + `
example: echo 4711 | invitation-relay forget -c relay.yaml --cifcod -
`

func newForget(w *world) *cobra.Command {
	var o operation
	var person string
	cmd := &cobra.Command{
		Use:  "forget",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if person == "-" {
				line, _ := bufio.NewReader(w.stdin).ReadString('\n')
				person = strings.TrimSpace(line)
			}
			if person == "" {
				return wrongUsage("nobody is named", "--cifcod ID, or --cifcod - to read it from standard input")
			}
			return forget(cmd, w, &o, person)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&person, "cifcod", "", "")
	setHelp(cmd, forgetHelp)
	return cmd
}

// forgottenJSON is what was erased, as the API says it.
type forgottenJSON struct {
	Events    int `json:"events"`
	Discarded int `json:"discarded"`
	Refused   int `json:"refused"`
	Sealed    int `json:"sealed"`
	Damaged   int `json:"damaged"`
}

// forget asks the relay that runs, and does it itself when none does: the lock
// of the store keeps both from happening. Of a relay that --admin or RELAY_ADMIN
// names the store is elsewhere: it alone is asked.
func forget(cmd *cobra.Command, w *world, o *operation, person string) error {
	api, err := o.api(cmd, w)
	if err != nil {
		return err
	}
	api.client.Timeout = forgetWithin
	body, err := json.Marshal(map[string]string{"cifcod": person})
	if err != nil {
		return err
	}
	var done forgottenJSON
	answer, err := api.postBody(cmd.Context(), body, "forget")
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && o.configAsked:
		done, err = forgetAlone(cmd.Context(), w, o.configFile, person)
	case err == nil && json.Unmarshal(answer, &done) != nil:
		err = api.stranger()
	}
	if err != nil {
		return err
	}
	if o.json {
		if err := writeJSON(w.stdout, done); err != nil {
			return err
		}
		return done.whole()
	}
	fmt.Fprintf(w.stdout, "forgotten: %d events and %d refused requests; %d deliveries that were pending or dead are discarded\n", done.Events, done.Refused, done.Discarded)
	if done.Sealed > 0 {
		fmt.Fprintf(w.stdout, "%d refused requests stay until keep_refused.for is over: no key in the config opens them, or they are damaged, and nobody can look whose they are\n", done.Sealed)
	}
	return done.whole()
}

// whole is an error where the store is damaged: nobody must take the person for
// forgotten then.
func (f forgottenJSON) whole() error {
	if f.Damaged == 0 {
		return nil
	}
	return &failure{
		code: exitFailed,
		msg:  counted(f.Damaged, "event is damaged", "events are damaged") + ": nobody can tell about whom, and something of hers may still be in the store",
		hint: "stop the relay, save what is whole with `store salvage NEW`, move the damaged store away, put NEW in its place, and forget again",
	}
}

// forgetAlone is for a relay that is stopped.
func forgetAlone(ctx context.Context, w *world, file, person string) (forgottenJSON, error) {
	cfg, problems := config.Load(file, config.Options{Lookup: w.lookup})
	if err := unreadable(problems); err != nil {
		return forgottenJSON{}, err
	}
	if err := problems.Err(); err != nil {
		return forgottenJSON{}, mistaken(err, file)
	}
	done, err := relay.Forget(ctx, cfg, person)
	if err != nil {
		return forgottenJSON{}, aboutStore("forget", err)
	}
	return forgottenJSON(done), nil
}
