package rules

// Escape makes a value harmless for the place where it lands.
type Escape func(string) string

// Plain leaves a value as it is.
func Plain(s string) string { return s }

// SlackText is for Slack text.
func SlackText(s string) string { return s }

// HTML is for text and quoted attributes of HTML.
func HTML(s string) string { return s }

// Header is for a header line of HTTP or mail.
func Header(s string) string { return s }

// URLPath is for one segment of a URL's path.
func URLPath(s string) string { return s }

// URLQuery is for a value in a URL's query.
func URLQuery(s string) string { return s }
