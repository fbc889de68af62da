package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// The samples of the presets: what a test message is made of. Those of the
// vendor's presets are its documentation's, byte for byte testdata/samples'
// accepted.json and ticket-rejected.json.
const (
	sampleInvitation = `{
  "id": "0b6f9f3e-6d0e-4d6a-9a55-0d5d3f0b7c11",
  "invitation_state": "COMPLETED",
  "cifcod": "C-0012345",
  "full_name": "Jon Doe",
  "ticket": "6f1d7b52-2f38-4f3c-8a07-8f9f4f5d1a22",
  "transaction_status": "ACCEPTED",
  "attempts": 1
}
`
	sampleTicket = `{
  "ticket": "6d493a5b-c7d8-43e4-95f6-0172839405dd",
  "event": "ticket.verification.completed",
  "flow_status": "REJECTED",
  "disposition": "FAILED",
  "risk_code": "R-02",
  "confidence_score": 12.5,
  "data": {"document": "expired"}
}
`
	sampleJSON = `{
  "event": "test",
  "message": "This is a test."
}
`
)

// sample is the sample of a preset, with a value for each field that the source
// declares and the sample lacks: a text of the config's own must not fail on it.
func sample(preset string, declared map[string]string) ([]byte, error) {
	text := map[string]string{"invitation": sampleInvitation, "idv-ticket": sampleTicket}[preset]
	if text == "" {
		text = sampleJSON
	}
	var has map[string]any
	if err := json.Unmarshal([]byte(text), &has); err != nil {
		return nil, fmt.Errorf("sample of preset %s: %w", preset, err)
	}
	body := bytes.TrimSuffix([]byte(text), []byte("\n}\n"))
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		if _, there := has[name]; there {
			continue
		}
		value, known := map[string]string{"string": `"test"`, "integer": "1", "number": "0.5", "bool": "true"}[declared[name]]
		if !known {
			value = `"test"`
		}
		body = fmt.Appendf(body, ",\n  %q: %s", name, value)
	}
	return append(body, "\n}\n"...), nil
}
