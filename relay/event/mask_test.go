package event_test

import (
	"encoding/json"
	"strings"
	"testing"

	"invitation-relay/relay/event"
)

func TestMaskBodyMasksTheNamedFieldsAndLeavesTheRestByteForByte(t *testing.T) {
	fields := []string{"full_name", "cifcod", "score", "data", "ok"}
	for _, row := range []struct{ name, body, want string }{
		{"texts", `{"id":"i-1","full_name":"Jon Doe","cifcod":"C-1"}`, `{"id":"i-1","full_name":"J***","cifcod":"C***"}`},
		{"no length shows", `{"full_name":"Al","cifcod":""}`, `{"full_name":"***","cifcod":""}`},
		{"no other type shows", `{"score":41,"data":{"a":["Jon"]},"ok":true,"full_name":null}`, `{"score":"***","data":"***","ok":"***","full_name":null}`},
		{
			"order, escapes, big numbers and what is nested stay",
			"{ \"z\" : 12345678901234567890 ,\n \"a\":1.0, \"b\": {\"full_name\" : \"S\\u00f6hne\"}, \"full_name\":\"x\" }",
			`{"z":12345678901234567890,"a":1.0,"b":{"full_name" : "S\u00f6hne"},"full_name":"***"}`,
		},
		{"a name with escapes is the same name", `{"full\u005fname":"Jon Doe"}`, `{"full\u005fname":"J***"}`},
		{"a first character of several bytes", `{"full_name":"Ö\"<&>\u2028n"}`, `{"full_name":"Ö***"}`},
		{"nothing in it", ` { } `, `{}`},
	} {
		in := []byte(row.body)
		if got := event.MaskBody(in, fields); string(got) != row.want || !json.Valid(got) {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
		if string(in) != row.body {
			t.Errorf("%s: the body was changed", row.name)
		}
	}
}

func TestWhatIsNoObjectShowsNothing(t *testing.T) {
	for _, body := range []string{
		"", "null", `"Jon Doe"`, `["Jon Doe"]`, `{"full_name":"Jon`, `{"full_name":"Jon"} {"full_name":"Jon"}`, `{"full_name":"Jon","full_name":"Doe"}`,
		"{\"full_name\":\"\xff\"}",
	} {
		if got := event.MaskBody([]byte(body), nil); got != nil {
			t.Errorf("%q shows %q", body, got)
		}
	}
}

func TestShapeBodyLeavesNeitherNameNorValueOfWhatIsGone(t *testing.T) {
	for _, body := range []string{`{"a":"CANARY","b":1,"CANARY":2}`, `{"b":1,"a":"CANARY","CANARY":{}}`, `{"CANARY":[],"a":"CANARY","b":1}`} {
		got, err := event.ShapeBody([]byte(body), func(name string) event.Show {
			if name == "b" {
				return event.Whole
			}
			return event.Gone
		})
		if err != nil || string(got) != `{"b":1}` || strings.Contains(string(got), "CANARY") {
			t.Errorf("%s: %s (%v)", body, got, err)
		}
	}
}

func FuzzMaskBody(f *testing.F) {
	f.Add([]byte(`{"a":"Jon Doe","b":[1,{"a":2}],"c":null}`))
	f.Add([]byte(`{"\u0061":"x" , "b":"\ud83d\ude00"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got := event.MaskBody(body, []string{"a"})
		if got != nil && !json.Valid(got) {
			t.Errorf("%q became %q", body, got)
		}
	})
}
