package target

import (
	"strconv"
	"strings"
)

// statusSet is a set of HTTP status codes.
type statusSet [600]bool

// has reports whether code is in the set.
func (s *statusSet) has(code int) bool { return code >= 0 && code < len(s) && s[code] }

// parseSuccess reads a list of status codes and classes: "2xx", "200,202",
// "2xx, 404". Interim answers (1xx) are no success of anything. It reports
// whether the list is one, and not empty.
func parseSuccess(list string) (*statusSet, bool) {
	var set statusSet
	for part := range strings.SplitSeq(list, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		if len(part) != 3 || part[0] < '2' || part[0] > '5' {
			return nil, false
		}
		if part[1:] == "xx" {
			from := int(part[0]-'0') * 100
			for code := from; code < from+100; code++ {
				set[code] = true
			}
			continue
		}
		code, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return nil, false
		}
		set[code] = true
	}
	return &set, true
}
