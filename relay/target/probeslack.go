package target

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"invitation-relay/relay/event"
)

// Probe looks for Slack's name and connects to it; with a token it also asks Slack
// whose it is (auth.test). Nothing is posted.
func (s *Slack) Probe(ctx context.Context, each time.Duration) []Finding {
	found := probeURL(ctx, s.base.URL, s.client, each)
	if s.channel == "" || found[len(found)-1].Level == Fail {
		return found
	}
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	return append(found, s.authTest(ctx)...)
}

// authTest asks Slack about the token.
func (s *Slack) authTest(ctx context.Context) []Finding {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base.URL.JoinPath("..", "auth.test").String(), nil)
	if err != nil {
		return []Finding{{Fail, "api_url is not a URL"}} // the error quotes it
	}
	x := &exchange{Context: ctx, keep: true, sent: s.header}
	s.client.do(x, req.WithContext(x), nil) //nolint:contextcheck // ctx is in x
	if x.status == 0 {
		v := x.failure().verdict()
		if ctx.Err() != nil {
			v = failedTimeout.verdict()
		}
		return []Finding{{Fail, v.reason}}
	}
	if v := s.slackVerdict(x.status, readSlackAnswer(x.answer)); v.outcome != event.Delivered {
		return []Finding{{Fail, v.reason}}
	}
	found := []Finding{{OK, "it takes the token"}}
	scopes := strings.FieldsFunc(x.header.Get("X-Oauth-Scopes"), func(c rune) bool { return c == ',' || c == ' ' })
	if len(scopes) > 0 && !slices.Contains(scopes, "chat:write") {
		found = append(found, Finding{Fail, slackWords["missing_scope"].reason})
	}
	return found
}
