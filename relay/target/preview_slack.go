package target

// Preview is the request Send would make for the first message of its thread: only
// the store knows whether there is one, and its thread_ts is not shown.
func (s *Slack) Preview(m *Message) (Preview, error) {
	msg, err := s.message(m)
	if err != nil {
		return Preview{}, err
	}
	body, err := marshal(msg)
	if err != nil {
		return Preview{}, err
	}
	url := hideURL(s.base.URL)
	if s.channel != "" { // the token is the secret, and the URL is not
		url = s.base.URL.String()
	}
	return Preview{
		Kind: s.Kind(), Method: s.base.Method, URL: url,
		Header: headerLines(s.header), Body: string(body),
	}, nil
}
