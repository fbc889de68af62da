package intake

// appendBase64 appends what Node's Buffer.from(src, "base64") makes of src, which
// is what the sender's own decoder uses: both alphabets, even mixed; whatever is
// in neither is skipped; the first "=" ends it; bits left over are dropped. There
// is no error, only a result that may be too short.
func appendBase64[T string | []byte](dst []byte, src T) []byte {
	var group uint32
	n := 0
	for i := 0; i < len(src); i++ {
		if n == 0 {
			for i+4 <= len(src) { // four at once, as long as all are of the alphabet
				a, b, c, d := sextets[src[i]], sextets[src[i+1]], sextets[src[i+2]], sextets[src[i+3]]
				if (a|b|c|d)&^63 != 0 {
					break
				}
				dst = append(dst, a<<2|b>>4, b<<4|c>>2, c<<6|d)
				i += 4
			}
			if i == len(src) {
				break
			}
		}
		s := sextets[src[i]]
		if s == sextetEnd {
			break
		}
		if s == sextetSkip {
			continue
		}
		group = group<<6 | uint32(s)
		if n++; n == 4 {
			dst = append(dst, byte(group>>16), byte(group>>8), byte(group)) //nolint:gosec // the low bytes are meant
			group, n = 0, 0
		}
	}
	switch n {
	case 2:
		dst = append(dst, byte(group>>4))
	case 3:
		dst = append(dst, byte(group>>10), byte(group>>2))
	}
	return dst
}

const (
	sextetSkip = 0xff
	sextetEnd  = 0xfe
)

// sextets is the value of each character.
var sextets = func() (t [256]byte) {
	for i := range t {
		t[i] = sextetSkip
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	t['-'], t['_'] = 62, 63
	t['='] = sextetEnd
	return t
}()
