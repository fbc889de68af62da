package intake

import (
	"mime"
	"net/http"
	"strings"
)

// jsonLabel reports whether a body may be JSON by its Content-Type: JSON under
// any name (application/json, text/json, application/vnd.x+json), text/plain, or
// no label; in UTF-8 or ASCII, if it names a charset. Other labels are what a
// browser's form sends, or say that we would misread the bytes.
func jsonLabel(h http.Header) bool {
	v := h["Content-Type"]
	if len(v) == 0 || v[0] == "" || v[0] == "application/json" || v[0] == "text/plain" {
		return true
	}
	media, params, err := mime.ParseMediaType(v[0])
	if err != nil {
		return false
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
	default:
		return false
	}
	_, sub, _ := strings.Cut(media, "/")
	return media == "text/plain" || sub == "json" || strings.HasSuffix(sub, "+json")
}

// encoded reports whether the body is compressed or otherwise coded: we never
// unpack, since 8 kB can become 8 MB.
func encoded(h http.Header) bool {
	for _, v := range h["Content-Encoding"] {
		if v != "" && !strings.EqualFold(v, "identity") {
			return true
		}
	}
	return false
}
