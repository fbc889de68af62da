package admin

import (
	"errors"
	"net/http"
)

// reload swaps the config, all or nothing, and says what is wrong with it.
func (a *api) reload(c *call) (any, error) {
	err := a.Reload(c.ctx)
	var invalid *InvalidError
	if err != nil && !errors.As(err, &invalid) {
		// Whoever may reload may know why it failed: a listener that cannot be opened…
		a.log.WarnContext(c.ctx, "reload failed", "err", err)
		return nil, &problem{Status: http.StatusInternalServerError, Detail: "the config is right, but could not be put to use", Problems: []string{err.Error()}}
	}
	if err != nil {
		return nil, err
	}
	return struct {
		Reloaded bool `json:"reloaded"`
	}{true}, nil
}
