package relaytest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/relaytest"
)

// call makes a call of the Web API and returns the answer, shortened.
func call(t *testing.T, url, method, token, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/"+method, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer, _, _ := strings.Cut(string(b), `,"message"`)
	return fmt.Sprint(resp.StatusCode, " ", answer)
}

// TestSlackWebAPIAnswersAsSlackDoes: one call a row, in this order.
func TestSlackWebAPIAnswersAsSlackDoes(t *testing.T) {
	slack, server, err := relaytest.StartSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	slack.Workspace("xoxb-1", "C1", "C2")
	slack.Refuse("C2", "is_archived")
	fails := func(word string) string { return `200 {"ok":false,"error":"` + word + `"}` }
	for _, row := range []struct{ token, body, want string }{
		{"", `{"channel":"C1","text":"x"}`, fails("not_authed")},
		{"xoxb-2", `{"channel":"C1","text":"x"}`, fails("invalid_auth")},
		{"xoxb-1", `{"text":"x"}`, fails("channel_not_found")},
		{"xoxb-1", `{"channel":"C9","text":"x"}`, fails("channel_not_found")},
		{"xoxb-1", `{"channel":"C2","text":"x"}`, fails("is_archived")},
		{"xoxb-1", `{"channel":"C1"}`, fails("no_text")},
		{"xoxb-1", `{"channel":"C1","text":"x","blocks":[{}]}`, fails("invalid_blocks")},
		{"xoxb-1", `[]`, fails("invalid_arguments")},
		{"xoxb-1", `{"channel":"C1","text":"x","thread_ts":"1.2"}`, fails("thread_not_found")},
		{"xoxb-1", `{"channel":"C1","text":"x"}`, `200 {"ok":true,"channel":"C1","ts":"1790000000.000001"`},
		{"xoxb-1", `{"channel":"C1","text":"x","thread_ts":"1790000000.000001"}`, `200 {"ok":true,"channel":"C1","ts":"1790000000.000002"`},
		{"xoxb-1", `{"channel":"C1","text":"x","thread_ts":"1790000000.000002"}`, fails("thread_not_found")}, // a reply
	} {
		if got := call(t, server.URL(), "chat.postMessage", row.token, row.body); got != row.want {
			t.Errorf("%s: %s, want %s", row.body, got, row.want)
		}
	}
	slack.Delete("1790000000.000001")
	if got := call(t, server.URL(), "chat.postMessage", "xoxb-1", `{"channel":"C1","text":"x","thread_ts":"1790000000.000001"}`); got != fails("thread_not_found") {
		t.Errorf("after its deletion: %s", got)
	}
	if m := slack.Messages(); len(m) != 2 || m[1].Channel != "C1" || m[1].ThreadTS != m[0].TS {
		t.Errorf("%+v", m)
	}
	if got := call(t, server.URL(), "auth.test", "xoxb-1", ""); !strings.HasPrefix(got, `200 {"ok":true,"team":`) {
		t.Errorf("auth.test: %s", got)
	}
}

func TestSlackWebAPITakesOneMessageASecondAndChannel(t *testing.T) {
	slack, server, err := relaytest.StartSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	now := time.Unix(1790000000, 0)
	slack.RateLimit(func() time.Time { return now })
	var got []string
	for _, channel := range []string{"C1", "C1", "C2"} {
		status, _, _ := strings.Cut(call(t, server.URL(), "chat.postMessage", "xoxb-1", `{"channel":"`+channel+`","text":"x"}`), " ")
		got = append(got, status)
	}
	now = now.Add(time.Second)
	status, _, _ := strings.Cut(call(t, server.URL(), "chat.postMessage", "xoxb-1", `{"channel":"C1","text":"x"}`), " ")
	if fmt.Sprint(append(got, status)) != "[200 429 200 200]" {
		t.Errorf("answered %v and then %s", got, status)
	}
}
