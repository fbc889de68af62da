package target

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"invitation-relay/relay/event"
)

// verdict is an outcome and a sentence for an operator: what happened, and what
// helps. The sentence is always one of ours; of what the other side wrote, or
// of an error's text, nothing is in it.
type verdict struct {
	outcome event.Outcome
	reason  string
}

// statusVerdict is what an HTTP status that is no success says: the table of
// DESIGN.md section 9.
func statusVerdict(status int) verdict {
	return verdict{outcomeOf(status), answered("the endpoint", status) + ": " + adviceOn(status)}
}

// answered is how a sentence about a status begins.
func answered(who string, status int) string {
	return strings.TrimSpace(who + " answered " + strconv.Itoa(status) + " " + http.StatusText(status))
}

// outcomeOf maps a status that is no success. What nobody foresaw is tried
// again: a wrong repeat costs a duplicate, a wrong refusal loses an event.
func outcomeOf(status int) event.Outcome {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusProxyAuthRequired, http.StatusGone:
		return event.Held
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return event.Retry
	case http.StatusNotImplemented:
		return event.Rejected
	}
	switch status / 100 {
	case 2, 3, 4:
		return event.Rejected
	default:
		return event.Retry
	}
}

// adviceOn says what helps after a status that is no success.
func adviceOn(status int) string {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return "it does not take this message; compare what `explain` shows with what it expects"
	case http.StatusUnauthorized:
		return "it does not know our credentials; correct auth or headers"
	case http.StatusForbidden:
		return "it does not let us in; check the credentials' permissions and its list of allowed addresses"
	case http.StatusNotFound:
		return "there is nothing at this address; correct url"
	case http.StatusMethodNotAllowed:
		return "it does not take this method; correct method or url"
	case http.StatusProxyAuthRequired:
		return "a proxy on the way wants credentials"
	case http.StatusRequestTimeout:
		return "it gave up waiting for our request"
	case http.StatusConflict:
		return "it says that this message conflicts with what it has; it may have it already"
	case http.StatusGone:
		return "the address is gone for good; set a new url"
	case http.StatusRequestEntityTooLarge:
		return "the message is too large for it; send less with json"
	case http.StatusUnsupportedMediaType:
		return "it does not take this kind of body; set Content-Type in headers, or json"
	case http.StatusTooEarly:
		return "it does not want to risk a replay yet"
	case http.StatusTooManyRequests:
		return "it takes fewer messages than we send; set rate"
	case http.StatusNotImplemented:
		return "it cannot do this at all; correct method or url"
	case http.StatusServiceUnavailable:
		return "it is not ready"
	}
	switch status / 100 {
	case 2:
		return "success does not list it"
	case 3:
		return "redirects are not followed; put the new address into url"
	case 4:
		return "it does not take this message"
	case 5:
		return "it failed on its side"
	default:
		return "this is no status for an answer"
	}
}

// result makes a Result of how an exchange ended and what is thought of it.
func (x *exchange) result(v verdict, m *Message) Result {
	r := Result{Outcome: v.outcome, Status: x.status, Tries: max(1, x.tries)}
	if v.outcome != event.Delivered {
		r.Reason = v.reason + wayOut(v.outcome, x.name)
	}
	if x.status == http.StatusTooManyRequests || x.status == http.StatusServiceUnavailable {
		now := m.Now
		if now.IsZero() {
			now = time.Now()
		}
		r.RetryAfter = retryAfter(x.header, now)
	}
	return r
}

// wayOut is how a sentence to an operator ends: what happens by itself, and the
// command that helps once the cause is mended, ready to be copied.
func wayOut(o event.Outcome, target string) string {
	switch o {
	case event.Held:
		return "; then `invitation-relay targets release " + target + "` (after a reload, if the config has changed), or wait for the next probe"
	case event.Rejected:
		return "; `invitation-relay deliveries retry --target " + target + "` sends it again"
	case event.Retry:
		return "; it is tried again until retry.max_age"
	default:
		return ""
	}
}
