package relaytest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/relaytest"
)

// TestSlackAnswersAsSlackDoes: one mistake a row.
func TestSlackAnswersAsSlackDoes(t *testing.T) {
	slack, server, err := relaytest.StartSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	long := func(n int) string { return strings.Repeat("ä", n) }
	blocks := func(format string, a ...any) string {
		return `{"text":"x","blocks":[` + fmt.Sprintf(format, a...) + `]}`
	}
	header := `{"type":"header","text":{"type":"plain_text","text":"%s"}}`
	section := `{"type":"section","text":{"type":"mrkdwn","text":"%s"}}`
	field := `{"type":"mrkdwn","text":"a"}`
	table := []struct{ name, body, word string }{
		{"a text", `{"text":"hello"}`, "ok"},
		{"blocks alone", `{"blocks":[{"type":"divider"}]}`, "ok"},
		{"not JSON", `hello`, "invalid_payload"},
		{"not an object", `["x"]`, "invalid_payload"},
		{"null", `null`, "invalid_payload"},
		{"a text that is none", `{"text":1}`, "invalid_payload"},
		{"nothing", `{}`, "no_text"},
		{"empty", `{"text":"","blocks":[]}`, "no_text"},
		{"too long", `{"text":"` + long(40001) + `"}`, "msg_too_long"},
		{"blocks that are no list", `{"text":"x","blocks":{}}`, "invalid_blocks_format"},
		{"a block that is none", blocks(`"x"`), "invalid_blocks"},
		{"no type", blocks(`{}`), "invalid_blocks"},
		{"unknown type", blocks(`{"type":"headline"}`), "invalid_blocks"},
		{"unknown member", blocks(`{"type":"divider","colour":"red"}`), "invalid_blocks"},
		{"50 blocks", blocks("%s", strings.Repeat(`{"type":"divider"},`, 49)+`{"type":"divider"}`), "ok"},
		{"51 blocks", blocks("%s", strings.Repeat(`{"type":"divider"},`, 50)+`{"type":"divider"}`), "invalid_blocks"},
		{"header of 150", blocks(header, long(150)), "ok"},
		{"header of 151", blocks(header, long(151)), "invalid_blocks"},
		{"empty header", blocks(header, ""), "invalid_blocks"},
		{"header of mrkdwn", blocks(`{"type":"header","text":%s}`, field), "invalid_blocks"},
		{"section of 3000", blocks(section, long(3000)), "ok"},
		{"section of 3001", blocks(section, long(3001)), "invalid_blocks"},
		{"empty section", blocks(section, ""), "invalid_blocks"},
		{"section without anything", blocks(`{"type":"section"}`), "invalid_blocks"},
		{"10 fields", blocks(`{"type":"section","fields":[%s]}`, strings.Repeat(field+",", 9)+field), "ok"},
		{"11 fields", blocks(`{"type":"section","fields":[%s]}`, strings.Repeat(field+",", 10)+field), "invalid_blocks"},
		{"no fields", blocks(`{"type":"section","fields":[]}`), "invalid_blocks"},
		{"field of 2001", blocks(`{"type":"section","fields":[{"type":"mrkdwn","text":"%s"}]}`, long(2001)), "invalid_blocks"},
		{"a field that is a string", blocks(`{"type":"section","fields":["x"]}`), "invalid_blocks"},
		{"emoji on mrkdwn", blocks(`{"type":"section","text":{"type":"mrkdwn","text":"x","emoji":true}}`), "invalid_blocks"},
		{"verbatim on plain text", blocks(`{"type":"section","text":{"type":"plain_text","text":"x","verbatim":true}}`), "invalid_blocks"},
		{"11 context elements", blocks(`{"type":"context","elements":[%s]}`, strings.Repeat(field+",", 10)+field), "invalid_blocks"},
		{"context without elements", blocks(`{"type":"context"}`), "invalid_blocks"},
		{"context with an image", blocks(`{"type":"context","elements":[{"type":"image","image_url":"https://x.example/i.png","alt_text":"x"}]}`), "ok"},
		{"button", blocks(`{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"x"},"url":"https://x.example"}]}`), "ok"},
		{"button of 76", blocks(`{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"%s"}}]}`, long(76)), "invalid_blocks"},
		{"button to nowhere", blocks(`{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"x"},"url":"x"}]}`), "invalid_blocks"},
		{"image without alt_text", blocks(`{"type":"image","image_url":"https://x.example/i.png"}`), "invalid_blocks"},
		{"image without image", blocks(`{"type":"image","alt_text":"x"}`), "invalid_blocks"},
		{"empty rich text", blocks(`{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":""}]}]}`), "invalid_blocks"},
		{"input", blocks(`{"type":"input","label":{"type":"plain_text","text":"x"}}`), "invalid_blocks"},
		{"file", blocks(`{"type":"file","source":"remote","external_id":"x"}`), "invalid_blocks"},
		{"video", blocks(`{"type":"video","video_url":"https://x.example/v","thumbnail_url":"https://x.example/t","alt_text":"x","title":{"type":"plain_text","text":"%s"}}`, long(199)), "ok"},
		{"video of 200", blocks(`{"type":"video","video_url":"https://x.example/v","thumbnail_url":"https://x.example/t","alt_text":"x","title":{"type":"plain_text","text":"%s"}}`, long(200)), "invalid_blocks"},
		{"table", blocks(`{"type":"table","rows":[[{"type":"raw_text","text":"%s"}]]}`, long(10000)), "ok"},
		{"two tables too long together", blocks(`{"type":"table","rows":[[{"type":"raw_text","text":"%[1]s"}]]},{"type":"table","rows":[[{"type":"raw_text","text":"%[1]s"}]]}`, long(5001)), "invalid_blocks"},
		{"two markdown blocks too long together", blocks(`{"type":"markdown","text":"%[1]s"},{"type":"markdown","text":"%[1]s"}`, long(6001)), "invalid_blocks"},
		{"card", blocks(`{"type":"card","body":{"type":"mrkdwn","text":"%s"}}`, long(200)), "ok"},
		{"empty card", blocks(`{"type":"card"}`), "invalid_blocks"},
		{"container without a title", blocks(`{"type":"container","child_blocks":[{"type":"divider"}]}`), "invalid_blocks"},
		{"6 choices in an overflow", blocks(`{"type":"actions","elements":[{"type":"overflow","options":[%s]}]}`, strings.Repeat(`{"text":{"type":"plain_text","text":"x"},"value":"x"},`, 5)+`{"text":{"type":"plain_text","text":"x"},"value":"x"}`), "invalid_blocks"},
		{"block_id twice", blocks(`{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}`), "invalid_blocks"},
		{"block_id of 256", blocks(`{"type":"divider","block_id":"%s"}`, long(256)), "invalid_blocks"},
	}
	taken := 0
	for _, row := range table {
		resp, word, err := post(t, server.URL()+"/services/T/B/x", "application/json; charset=utf-8", row.body)
		if err != nil {
			t.Fatal(err)
		}
		if word != row.word || (resp.StatusCode == http.StatusOK) != (row.word == "ok") {
			t.Errorf("%s: %d %s, want %s", row.name, resp.StatusCode, word, row.word)
		}
		if word == "ok" {
			taken++
		}
	}
	if _, word, err := post(t, server.URL(), "text/plain", `{"text":"x"}`); err != nil || word != "invalid_payload" {
		t.Errorf("text/plain: %q, %v", word, err)
	}
	if n := len(slack.Messages()); n != taken {
		t.Errorf("%d messages kept, want %d", n, taken)
	}
	if n := len(slack.Refused()); n != len(table)-taken+1 {
		t.Errorf("%d refusals kept, want %d", n, len(table)-taken+1)
	}
}

func TestSlackCanBeToldToFail(t *testing.T) {
	slack, server, err := relaytest.StartSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	slack.Script(relaytest.Status(500), relaytest.Body(404, "no_service"))
	var got []string
	for range 3 {
		resp, word, err := post(t, server.URL(), "application/json", `{"text":"x"}`)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(resp.StatusCode, " ", word))
	}
	if diff := cmp.Diff([]string{"500 Internal Server Error", "404 no_service", "200 ok"}, got); diff != "" {
		t.Error(diff)
	}
}

// slackMessage makes a message without a server.
func slackMessage(t *testing.T, text string, blocks string) relaytest.SlackMessage {
	t.Helper()
	m := relaytest.SlackMessage{Top: text}
	if blocks != "" {
		if err := json.Unmarshal([]byte(blocks), &m.Blocks); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestLiveFindsWhatWouldAct(t *testing.T) {
	table := []struct {
		text string
		want []string
	}{
		{"Jon &lt;!channel&gt; &amp; co", nil},
		{"a < b and c > d", nil},
		{"at <!date^1392734382^{date}|2014>", nil},
		{"<!channel> and <@U012>", []string{"<!channel>", "<@U012>"}},
		{"<https://evil.example|click>", []string{"<https://evil.example|click>"}},
		{"see https://evil.example/x now", []string{"https://evil.example/x"}},
		{"see https:\u2060//evil.\u2060example now", nil}, // a word joiner breaks it
		{"write mailto:a@evil.example", []string{"mailto:a@evil.example"}},
	}
	for _, row := range table {
		if diff := cmp.Diff(row.want, slackMessage(t, row.text, "").Live()); diff != "" {
			t.Errorf("text %q: %s", row.text, diff)
		}
		b, err := json.Marshal([]any{map[string]any{"type": "section", "fields": []any{map[string]any{"type": "mrkdwn", "text": row.text}}}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(row.want, slackMessage(t, "", string(b)).Live()); diff != "" {
			t.Errorf("field %q: %s", row.text, diff)
		}
	}
}

func TestTextIsWhatAPersonSees(t *testing.T) {
	m := slackMessage(t, "not shown", `[
	 {"type":"header","text":{"type":"plain_text","text":"Verification *rejected*"}},
	 {"type":"section","text":{"type":"mrkdwn","text":"see <https://x.example|the *case*>, <!here> &lt;b&gt;"},
	  "fields":[{"type":"mrkdwn","text":"*Name*\nJon &amp; co"},{"type":"mrkdwn","text":"*Ticket*\n`+"`t_*1*_`"+`"}]},
	 {"type":"divider"},
	 {"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"a <b>"}]}]},
	 {"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"Open"}}]},
	 {"type":"context","elements":[{"type":"plain_text","text":"event 1\u001b[31m\u202e"},{"type":"mrkdwn","text":"at <!date^1^{time}|12:00>"}]}]`)
	const want = `Verification *rejected*
───────────────────────

see the case (https://x.example), @here <b>
Name: Jon & co
Ticket: t_*1*_

────────────────────────────────────────

a <b>

[Open]

event 1[31m · at 12:00`
	if diff := cmp.Diff(want, m.Text()); diff != "" {
		t.Error(diff)
	}
	if got := slackMessage(t, "*Jon* failed", "").Text(); got != "Jon failed" {
		t.Errorf("got %q", got)
	}
}
