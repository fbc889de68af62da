package relay

import "testing"

func TestBodyTellsOfAPersonHoweverItIsWritten(t *testing.T) {
	for body, want := range map[string]bool{
		`{"cifcod":"4711"}`: true,
		`{"cifcod":4711}`:   true,
		`{"data":[{"who":{"cif\u0063od":"47\u00311"}}]}`:     true,
		`{"cifcod":"4711","cifcod":"1"}`:                     true, // refused for having it twice, and kept
		`{"a":{"cifcod":"4711"},"a":{}}`:                     true,
		`{"cifcod":"4711","name":"` + "\xff" + `"}`:          true, // refused for not being UTF-8
		`{"cifcod":"4711"} {}`:                               true,
		`{"cifcod":"4711"`:                                   true,
		`name=Jo&cifcod=4711`:                                true,
		`["cifcod","4711"]`:                                  false,
		`{"cifcod":"47110","amount":"4711","4711":"cifcod"}`: false,
		`{"cifcod":["4711"]}`:                                false,
		`{"cifcod":null,"note":"\\"}`:                        false,
		``:                                                   false,
	} {
		if got := tellsOf("4711")([]byte(body)); got != want {
			t.Errorf("%s tells of her: %t", body, got)
		}
	}
}
