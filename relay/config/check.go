package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"invitation-relay/rules"
)

// checker looks for what is wrong with values that could be read: out of bounds,
// contradicting each other, referring to nothing.
type checker struct {
	*file
	c *Config

	list  []rules.Rule // what could be compiled
	where []int        // the index in the file of each
}

func (k *checker) check() {
	k.server()
	k.admin()
	k.store()
	k.sources()
	k.env()
	k.rules()
	k.mustRoute()
	k.targets()
	k.alarms()
	k.privacy()
	k.log()
	k.unused()
	k.misshapen()
	k.overlong()
	k.review()
}

// missing reports that path is not there, unless it is misspelt.
func (k *checker) missing(path, hint string) {
	section, key := "", path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		section, key = path[:i], path[i+1:]
	}
	k.blame(path, label(section), key+" is missing", hint)
}

func (k *checker) oneOf(path, value string, known ...string) {
	if slices.Contains(known, value) {
		return
	}
	if p := k.places[path]; p.hidden || value == "" {
		k.wrong(path, "must be one of: "+strings.Join(known, ", "), "")
		return
	}
	k.wrong(path, fmt.Sprintf("%q is none of: %s", value, strings.Join(known, ", ")), suggestion(value, known))
}

// suggestion is didYouMean where the message has the list already.
func suggestion(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return `did you mean "` + best + `"?`
	}
	return ""
}

func (k *checker) between(path string, value, least, most int) {
	if value < least || value > most {
		k.wrong(path, fmt.Sprintf("must be %d to %d", least, most), "")
	}
}

func (k *checker) lasts(path string, value, least, most time.Duration) {
	if value < least || value > most {
		k.wrong(path, "must be "+shortDuration(least)+" to "+shortDuration(most), "")
	}
}

// shortDuration writes a duration as it would stand in the file.
func shortDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

const (
	nameRule = "a name is made of a-z, 0-9, _ and -, and begins with a letter or a digit"
	nameHint = "names are parts of ids, metrics and addresses of the API"
)

// names checks the keys of a section of names.
func (k *checker) names(section string, order []string) {
	for _, name := range order {
		if !goodName.MatchString(name) {
			k.atKey(dot(section, name), Problem{Message: nameRule, Hint: nameHint})
		}
	}
}

// address checks a host:port to listen on. ok is false when it cannot be one.
func (k *checker) address(path, value string) (host string, port int, ok bool) {
	const hint = `":8080" is every address of this machine, "127.0.0.1:8080" only itself`
	host, digits, err := net.SplitHostPort(value)
	if err != nil {
		k.wrong(path, "must be host:port", hint)
		return "", 0, false
	}
	port, err = strconv.Atoi(digits)
	if err != nil || port < 0 || port > 65535 {
		k.wrong(path, "the port must be 0 to 65535", hint)
		return "", 0, false
	}
	if strings.ContainsAny(host, "/ \t\r\n@") {
		k.wrong(path, "the host must be a name or an address", hint)
		return "", 0, false
	}
	return host, port, true
}

// IsLoopback reports whether only this machine can reach a listener on addr
// (host:port): the host is localhost or a loopback address.
func IsLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
