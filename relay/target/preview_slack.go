package target

// Preview is the request Send would make.
func (s *Slack) Preview(m *Message) (Preview, error) {
	body, err := s.message(m)
	if err != nil {
		return Preview{}, err
	}
	return Preview{
		Kind: s.Kind(), Method: s.base.Method, URL: hideURL(s.base.URL),
		Header: headerLines(s.header), Body: string(body),
	}, nil
}
