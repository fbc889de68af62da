package admin

import (
	"net/http"
	"time"
)

// endpoint is one thing the API does.
type endpoint struct {
	method string        // GET, which answers HEAD too, or POST, which changes something
	path   string        // an http.ServeMux pattern
	public bool          // needs no signing in: for probes
	action string        // of a POST: its word in the audit log
	params []string      // query parameters it takes; any other is an error
	body   bool          // of a POST: it takes one
	within time.Duration // 0: answerWithin

	do  func(*call) (any, error) // what it answers, as JSON: this,
	raw http.Handler             // or this
}

// endpoints is the whole API. What changes something is a POST with an action.
func (a *api) endpoints() []endpoint {
	return append([]endpoint{
		{method: "GET", path: "/livez", public: true, do: a.livez},
		{method: "GET", path: "/readyz", public: true, do: a.readyz},
		{method: "GET", path: "/metrics", raw: a.exposition()},

		{method: "GET", path: "/api/v1/events", params: eventParams, do: a.listEvents},
		{method: "GET", path: "/api/v1/events/{id}", params: []string{"body"}, do: a.showEvent},
		{method: "GET", path: "/api/v1/deliveries", params: deliveryParams, do: a.listDeliveries},
		{method: "GET", path: "/api/v1/deliveries/{id}", do: a.showDelivery},
		{method: "GET", path: "/api/v1/targets", do: a.listTargets},
		{method: "GET", path: "/api/v1/rules", do: a.listRules},
		{method: "GET", path: "/api/v1/status", do: a.status},
	}, a.changes()...)
}

// changes are the endpoints that somebody implements.
func (a *api) changes() []endpoint {
	var list []endpoint
	add := func(there bool, path, action string, do func(*call) (any, error), params ...string) {
		if there {
			list = append(list, endpoint{method: "POST", path: path, action: action, do: do, params: params, body: action == "explain" || action == "forget"})
		}
	}
	add(a.Reload != nil, "/-/reload", "reload", a.reload)
	add(a.Retry != nil, "/api/v1/deliveries/retry", "retry many", a.retryMany, manyDeliveryParams...)
	add(a.Retry != nil, "/api/v1/deliveries/{id}/retry", "retry", a.retry)
	add(a.Discard != nil, "/api/v1/deliveries/discard", "discard many", a.discardMany, manyDeliveryParams...)
	add(a.Discard != nil, "/api/v1/deliveries/{id}/discard", "discard", a.discard)
	add(a.Replay != nil, "/api/v1/events/replay", "replay many", a.replayMany, manyEventParams...)
	add(a.Replay != nil, "/api/v1/events/{id}/replay", "replay", a.replay, "targets")
	add(a.Hold != nil, "/api/v1/targets/{name}/hold", "hold", a.hold, "reason")
	add(a.Release != nil, "/api/v1/targets/{name}/release", "release", a.release)
	add(a.SendTest != nil, "/api/v1/targets/{name}/send-test", "send-test", a.sendTest, "source")
	add(a.Forget != nil, "/api/v1/forget", "forget", a.forget)
	if a.Forget != nil {
		list[len(list)-1].within = forgetWithin
	}
	add(a.Explain != nil, "/api/v1/explain", "explain", a.explain, "source")
	return list
}
