package intake

import (
	"encoding/json"
	"errors"
	"net/http"
)

// ErrMalformed and ErrInvalid tell apart what Decode and Replay can find wrong.
var (
	// ErrMalformed says that a body is not what we can read: not decryptable, or not one JSON text as we demand it (400).
	ErrMalformed = errors.New("malformed")
	// ErrInvalid says that a body is JSON, but not what its source sends (422).
	ErrInvalid = errors.New("invalid")
)

// result is how a webhook ended: the label of its counter.
type result uint8

const (
	accepted result = iota
	duplicate
	malformed
	unauthorized
	forbidden
	tooLarge
	unsupported
	invalid
	throttled
	unavailable
	notFound
	badMethod
	results // how many there are
)

func (r result) String() string {
	return [...]string{
		"accepted", "duplicate", "malformed", "unauthorized", "forbidden", "too_large",
		"unsupported", "invalid", "throttled", "unavailable", "not_found", "method",
	}[r]
}

// refusal is one way to say no. All of them are made before the first request:
// an answer costs nothing to build, and cannot contain what was sent.
type refusal struct {
	status int
	result result
	reason string // for the log and the kept request; the sender sees it too, unless its source has keys
	body   []byte // application/problem+json (RFC 9457)
	is     error  // what errors.Is finds
	retry  string // Retry-After, "" for none
	closes bool   // the connection is not fit for another request
}

func (r *refusal) Error() string { return r.reason }
func (r *refusal) Unwrap() error { return r.is }

// refuse makes a refusal. The type member is left out, which means about:blank:
// the title is then the status in words.
func refuse(status int, res result, is error, reason string) *refusal {
	body, err := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, reason})
	if err != nil {
		panic(err) // strings and an int
	}
	return &refusal{status: status, result: res, is: is, reason: reason, body: append(body, '\n')}
}

// after is r with a Retry-After in seconds.
func (r *refusal) after(seconds string) *refusal { r.retry = seconds; return r }

// closing is r on a connection that ends with it.
func (r *refusal) closing() *refusal { r.closes = true; return r }

// retryAfter is what a sender is asked to wait when we cannot store: long enough
// for a restart, short enough for a sender that gives up soon.
const retryAfter = "5"

var (
	refNotFound     = refuse(http.StatusNotFound, notFound, nil, "There is no webhook at this path.")
	refMethod       = refuse(http.StatusMethodNotAllowed, badMethod, nil, "A webhook is sent with POST.")
	refTooLarge     = refuse(http.StatusRequestEntityTooLarge, tooLarge, nil, "The body is larger than this source may send.").closing()
	refUnauthorized = refuse(http.StatusUnauthorized, unauthorized, nil, "The credentials are missing or wrong.")
	refForbidden    = refuse(http.StatusForbidden, forbidden, nil, "This address may not send here.")
	refThrottled    = refuse(http.StatusTooManyRequests, throttled, nil, "There were too many failures from this address.")
	refUnavailable  = refuse(http.StatusServiceUnavailable, unavailable, nil, "The event could not be stored. Send it again later.").after(retryAfter)
	refCrowded      = refuse(http.StatusServiceUnavailable, unavailable, nil, "Too many events came at once. Send it again later.").after(retryAfter)
	refCrowdedEnd   = refuse(http.StatusServiceUnavailable, unavailable, nil, "Too many events came at once. Send it again later.").after(retryAfter).closing()
	refDraining     = refuse(http.StatusServiceUnavailable, unavailable, nil, "The relay is stopping. Send it again later.").after(retryAfter).closing()
	refEncoding     = refuse(http.StatusUnsupportedMediaType, unsupported, nil, "A body with a Content-Encoding is not taken.")
	refType         = refuse(http.StatusUnsupportedMediaType, unsupported, nil, "The body must be JSON in UTF-8, labelled as JSON or text/plain.")

	refIncomplete = refuse(http.StatusBadRequest, malformed, ErrMalformed, "The body did not arrive whole.").closing()
	refHeaders    = refuse(http.StatusBadRequest, malformed, ErrMalformed, "Content-Type or x-pvt-cipher-iv occurs twice.")
	refNoKey      = refuse(http.StatusBadRequest, malformed, ErrMalformed, "The body is encrypted, but this source has no key.")
	refJSON       = refuse(http.StatusBadRequest, malformed, ErrMalformed, "The body is not one JSON text in UTF-8.")
	refDouble     = refuse(http.StatusBadRequest, malformed, ErrMalformed, "A member occurs twice in one object.")
	refDeep       = refuse(http.StatusBadRequest, malformed, ErrMalformed, "The body is nested deeper than 64.")
	refNoObject   = refuse(http.StatusUnprocessableEntity, invalid, ErrInvalid, "The body is not a JSON object.")

	// refOpaque is all that a source with keys ever says after the credentials held.
	refOpaque    = refuse(http.StatusBadRequest, malformed, ErrMalformed, "The body cannot be read.")
	refOpaqueEnd = refuse(http.StatusBadRequest, malformed, ErrMalformed, "The body cannot be read.").closing()
)
