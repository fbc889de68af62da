package intake

import (
	"encoding/base64"
	"strings"
	"testing"
)

// What Node 20 makes of these was asked of Node itself.
func TestBase64IsReadAsNodeReadsIt(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "Q": "", "QQ": "A", "QQ=": "A", "QQ==": "A", "QR==": "A", "QUI": "AB", "QUI=": "AB", "QUJD": "ABC",
		"QUJDR": "ABC", "QUJDQQ": "ABCA", "-_-_": "\xfb\xff\xbf", "+/-_": "\xfb\xff\xbf",
		"QU JD": "ABC", "Q\nU\tJ\r\nD": "ABC", "QU!JD": "ABC", "QU\x00JD": "ABC", "QUéJD": "ABC", "\ufeffQUJD": "ABC", "*QUJD": "ABC",
		"QUJD====": "ABC", "====": "", "=QUJD": "", "Q=UJD": "", "QU=JD": "A", "QUI=QUJD": "AB", "QQ==QUJD": "A", "QUJD=QUJD": "ABC",
		"QUI =": "AB", "Q U = ": "A", "QUI=\n": "AB", "Q*QQ==QQ": "A\x04", "AA AA=AA": "\x00\x00\x00",
	} {
		if got := string(appendBase64(nil, in)); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
		if got := string(appendBase64([]byte("x"), []byte(in))); got != "x"+want {
			t.Errorf("%q appended is %q", in, got)
		}
	}
}

// nodeBase64 says the same as appendBase64 in another way: cut at the first "=",
// drop what is in neither alphabet, decode, drop what is left over.
func nodeBase64(in string) string {
	in, _, _ = strings.Cut(in, "=")
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '+' || r == '/':
			return r
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		}
		return -1
	}, in)
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	out, err := base64.RawStdEncoding.DecodeString(clean)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func FuzzNodeBase64(f *testing.F) {
	for _, s := range []string{"QUJD", "QU JD=", "-_+/", "Q=Q", "QUJDQUJDQUJDQUJD!QUJDQ", "\xff\xfe=="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if got, want := string(appendBase64(nil, in)), nodeBase64(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	})
}
