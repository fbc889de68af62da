package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
)

// listing is a list of the API: one page, or several as one.
type listing struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// list collects up to limit items, a page after the other; 0 is defaultLimit.
func (a *adminAPI) list(ctx context.Context, q url.Values, limit int, path ...string) (*listing, error) {
	if limit == 0 {
		limit = defaultLimit
	}
	all := &listing{Items: []json.RawMessage{}}
	for {
		setLimit(q, limit-len(all.Items))
		page, err := ask[listing](a.get(ctx, q, path...))
		if err != nil {
			return nil, err
		}
		all.Items = append(all.Items, page.Items...)
		all.Next = page.Next
		if page.Next == "" || len(all.Items) >= limit {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

// ask decodes an answer; err is that of the request for it.
func ask[T any](data json.RawMessage, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, &failure{code: exitFailed, msg: "the relay's answer is not understood", hint: "it is perhaps of another release than this command"}
	}
	return v, nil
}

// itemsOf decodes the items of a list.
func itemsOf[T any](l *listing) ([]T, error) {
	items := make([]T, 0, len(l.Items))
	for _, data := range l.Items {
		item, err := ask[T](data, nil)
		if err != nil {
			return nil, err
		}
		items = append(items, *item)
	}
	return items, nil
}

// sayMore says on stderr that a list has more than was asked for.
func sayMore(w *world, l *listing) {
	if l.Next != "" {
		fmt.Fprintf(w.stderr, "there are more: --limit %d shows them too, and filters leave others out\n", max(1000, 10*len(l.Items)))
	}
}
