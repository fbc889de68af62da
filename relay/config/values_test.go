package config

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/secret"
)

func TestDurationsAreGosAndDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute,
		"30d": 30 * day, "1d12h": 36 * time.Hour, "0.5d": 12 * time.Hour, "1.25d6h": 36 * time.Hour, "-1d": -day, "+2d": 2 * day,
		"-1d12h": -36 * time.Hour, "36500d": 36500 * day, "1µs": time.Microsecond, "100000d1ns": 100000*day + 1,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "d", "s", "1", "-1", "1.5", "1e3", "5 m", "5 min", "1w", "1h1d", "1d-1h", "1d+1h", "1dd", "--1d", "+-1d", "1e3d", "infd", "nand", "0x1d",
		"200000d", "9999999999999999999999d", "1d99999999h", "1d 12h", " 1d", "-1", "∞",
	} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%s is taken as %v", text, got)
		}
	}
}

func TestSizesSayWhichThousandTheyMean(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "512": 512, "512B": 512, "256KiB": 256 << 10, "256 KiB": 256 << 10, "4MiB": 4 << 20, "1GiB": 1 << 30, "10kB": 10_000, "10KB": 10_000, "5MB": 5_000_000,
		"9223372036854775807": 1<<63 - 1, "1GB": 1e9,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "B", "KiB", "1K", "1M", "1kib", "-1KiB", "1.5MiB", "1 000", "9223372036854775808", "9007199254740992KiB", "0x10"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%s is taken as %v", text, got)
		}
	}
}

func TestRatesAreEventsInATime(t *testing.T) {
	for text, want := range map[string]struct {
		Rate
		perSecond float64
	}{
		"1/s": {Rate{1, time.Second}, 1}, "30/m": {Rate{30, time.Minute}, 0.5}, "36/h": {Rate{36, time.Hour}, 0.01}, "86400/d": {Rate{86400, day}, 1},
		" 5 / s": {Rate{5, time.Second}, 5}, "none": {}, "": {},
	} {
		got, err := parseRate(text)
		if err != nil || got != want.Rate || got.PerSecond() != want.perSecond {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"1", "/s", "s", "1/", "0/s", "-1/s", "1.5/s", "1/w", "1/2s", "1000001/s", "1/s/s", "unlimited"} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("%s is taken as %v", text, got)
		}
	}
}

func TestDatesAreTheFirstMomentOfADayInUTC(t *testing.T) {
	if got, err := parseDate("2028-02-29"); err != nil || !got.Equal(time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"2027-02-29", "27-03-31", "2027-3-31", "2027-03-31T00:00:00Z", "31.03.2027", "2027-13-01"} {
		if got, err := parseDate(text); err == nil {
			t.Errorf("%s is taken as %v", text, got)
		}
	}
}

func TestKeysAre32BytesHoweverTheyAreWritten(t *testing.T) {
	raw := []byte("0123456789abcdef0123456789abcde\xff")
	for _, text := range []string{
		string(raw),
		"hex:3031323334353637383961626364656630313233343536373839616263 6465ff",
		"hex:303132333435363738396162636465663031323334353637383961626364 65FF",
		"base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf8=",
		"base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf8",
		"base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf8=\n",
		"base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf8",
	} {
		text = strings.ReplaceAll(text, " ", "")
		if got, err := RawKey(secret.New(text)); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%s: %x, %v", text, got, err)
		}
	}
	// What is 32 bytes long is a key, whatever it begins with.
	if got, err := RawKey(secret.New("hex:0123456789-0123456789-012345")); err != nil || string(got) != "hex:0123456789-0123456789-012345" {
		t.Errorf("%s, %v", got, err)
	}
	// The two alphabets of base64 differ in two characters.
	a, errA := RawKey(secret.New("base64:" + strings.Repeat("-_", 21) + "8"))
	b, errB := RawKey(secret.New("base64:" + strings.Repeat("+/", 21) + "8="))
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("%x %v, %x %v", a, errA, b, errB)
	}
}

func TestKeyErrorsTellTheLengthAndNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "the key is empty",
		"x":                              "the key is 1 byte, it must be 32",
		strings.Repeat("x", 31):          "the key is 31 bytes, it must be 32",
		strings.Repeat("x", 32) + "\n":   "the key is 33 bytes, it must be 32: the key ends in a line break: without it, it is 32 bytes",
		strings.Repeat("x", 32) + "\r\n": "the key is 34 bytes, it must be 32: the key ends in a line break: without it, it is 32 bytes",
		strings.Repeat("ü", 32):          "the key is 64 bytes, it must be 32",
		strings.Repeat("0f", 32):         "the key is 64 bytes, it must be 32: these are 64 hexadecimal digits: write hex: in front of them",
		"hex:00":                         "the key is 1 byte, it must be 32: ",
		"hex:xy":                         "the key after hex: is not hexadecimal",
		"base64:AA==":                    "the key is 1 byte, it must be 32: ",
		"base64:§":                       "the key after base64: is not base64",
	} {
		_, err := RawKey(secret.New(text))
		ke, ok := err.(*keyError) //nolint:errorlint // not wrapped
		if !ok || !strings.HasPrefix(ke.message+": "+ke.hint, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAllKeysOfASourceComeOutRaw(t *testing.T) {
	e := Encryption{Keys: []secret.String{secret.New(strings.Repeat("a", 32)), secret.New("hex:" + strings.Repeat("62", 32))}}
	keys, err := e.RawKeys()
	if err != nil || len(keys) != 2 || string(keys[0]) != strings.Repeat("a", 32) || string(keys[1]) != strings.Repeat("b", 32) {
		t.Errorf("%s, %v", keys, err)
	}
	e.Keys = append(e.Keys, secret.New("short"))
	if _, err := e.RawKeys(); err == nil || err.Error() != "key 3: the key is 5 bytes, it must be 32" {
		t.Error(err)
	}
}

func TestDidYouMeanNamesWhatASlipCameFrom(t *testing.T) {
	known := []string{"max_age", "max", "initial", "quick", "to", "stop", "accept_plaintext_until"}
	for word, want := range map[string]string{
		"maxage": "max_age", "max-age": "max_age", "MAX": "max", "qiuck": "quick", "too": "to", "sto": "stop",
		"accept_plain_until": "accept_plaintext_until", "maximum": "max", "colour": "", "x": "", "": "", strings.Repeat("max", 100): "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestLoopbackIsThisMachineOnly(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:8080": true, "127.8.0.1:8080": true, "[::1]:8080": true, "localhost:8080": true, "LOCALHOST:0": true, "[::ffff:127.0.0.1]:1": true,
		":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "192.0.2.1:8080": false, "relay.example:8080": false, "localhost.example:1": false,
		"127.0.0.1": false, "": false, "127.0.0.1.example:1": false,
	} {
		if got := IsLoopback(addr); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}
