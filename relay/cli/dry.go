package cli

import (
	"crypto/aes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
)

// dry is a config at work for explain and test: nothing is stored or sent.
type dry struct {
	*relay.DryRun
	cfg *config.Config
}

// mistaken is the error of a config with mistakes in it.
func mistaken(err error, file string) error {
	return &failure{code: exitFailed, err: err, hint: "invitation-relay check -c " + shellWord(file) + " also shows the warnings"}
}

// newDry reads the config. Warnings are check's business.
func newDry(w *world, file string) (*dry, error) {
	cfg, problems := config.Load(file, config.Options{Lookup: w.lookup})
	if err := unreadable(problems); err != nil {
		return nil, err
	}
	if err := problems.Err(); err != nil {
		return nil, mistaken(err, file)
	}
	run, err := relay.NewDryRun(cfg, version())
	if err != nil {
		return nil, err
	}
	return &dry{run, cfg}, nil
}

// sourceNames are the config's sources, from top to bottom.
func (d *dry) sourceNames() []string {
	var names []string
	for _, s := range d.cfg.SourcesInOrder() {
		names = append(names, s.Name)
	}
	return names
}

// source is the one of this name. Without a name it is the first, or, for a body
// that came encrypted, the first with keys. Nil when there is none.
func (d *dry) source(name string, encrypted bool) *config.Source {
	if name != "" {
		return d.cfg.Sources[name]
	}
	all := d.cfg.SourcesInOrder()
	if encrypted {
		for _, s := range all {
			if len(s.Encryption.Keys) > 0 {
				return s
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// payload is a webhook's body: JSON, or with an IV what it was encrypted to.
type payload struct {
	body            []byte
	iv, contentType string
}

// asFixture reads a request that was kept as a file, like those in
// testdata/samples/encrypted: a JSON object with body, iv and content_type.
func asFixture(data []byte) (payload, bool) {
	var f struct {
		ContentType string `json:"content_type"`
		IV          string `json:"iv"`
		Body        string `json:"body"`
	}
	if json.Unmarshal(data, &f) != nil || f.IV == "" || f.Body == "" {
		return payload{}, false
	}
	return payload{body: []byte(f.Body), iv: f.IV, contentType: f.ContentType}, true
}

// sent is p on its way to s, as the vendor sends it: encrypted when the source
// has keys, unless it came encrypted or plain says that it is sent in the open.
func (p payload) sent(s *config.Source, plain bool, at time.Time) (hook relay.Webhook, encrypted bool, err error) {
	hook = relay.Webhook{Source: s.Name, Body: p.body, IV: p.iv, ContentType: p.contentType, At: at}
	if p.iv != "" || plain {
		return hook, p.iv != "", nil
	}
	keys, err := s.Encryption.RawKeys()
	if err != nil || len(keys) == 0 {
		return hook, false, err
	}
	sum := sha256.Sum256(p.body) // any IV does; this one is the same each time
	iv := sum[:aes.BlockSize]
	if hook.Body, err = encrypt(keys[0], iv, p.body); err != nil {
		return hook, false, fmt.Errorf("encrypt for source %s: %w", s.Name, err)
	}
	hook.IV, hook.ContentType = base64.StdEncoding.EncodeToString(iv), "text/plain"
	return hook, true, nil
}

// parseTime reads --at and received_at.
func parseTime(text string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	return at.UTC(), err == nil
}
