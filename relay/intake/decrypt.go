package intake

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"
)

// keyring opens bodies encrypted as the sender does it: AES-256-CBC with PKCS#7
// padding, body and IV in base64. CBC proves nothing about who encrypted or
// whether a bit was flipped: the keyring is asked only for senders whose
// credentials held, and does the same steps whatever is wrong.
type keyring []cipher.Block

func newKeyring(keys [][]byte) (keyring, error) {
	ring := make(keyring, 0, len(keys))
	for i, key := range keys {
		if len(key) != 32 {
			return nil, fmt.Errorf("key %d has %d bytes, want 32", i+1, len(key))
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, errors.Unwrap(err)) // of this length there is no error
		}
		ring = append(ring, block)
	}
	return ring, nil
}

// What was wrong, for the log and for whoever looks at what was kept. The sender
// is told refOpaque, whichever it was.
const (
	whyPlain     = "It is not encrypted, but its source has keys."
	whyIV        = "The IV is not 16 bytes of base64."
	whyLength    = "The body is not base64 of whole cipher blocks."
	whyKey       = "No key of the source opens it."
	whyDecrypted = "A key opens it, but: "
)

// open tries every key on a body in base64 and decodes what each makes of it, the
// right one and the wrong ones alike. It returns the first plaintext that was
// padded as it should be and is what schema says, in memory of its own; else why
// is not "".
//
// The work depends on the length of the body and the number of keys, not on
// what is wrong: an IV or a length that cannot be is replaced by one that can, and
// the result is read all the same.
func (ring keyring) open(b *buffers, iv string, body []byte, schema *Schema) (plain []byte, f Fields, why string) {
	b.iv = appendBase64(b.iv[:0], iv)
	ivOK := len(b.iv) == aes.BlockSize
	b.iv = append(b.iv, zeroBlock[:]...)[:aes.BlockSize]

	b.cipher = appendBase64(b.cipher[:0], body)
	lengthOK := len(b.cipher) > 0 && len(b.cipher)%aes.BlockSize == 0
	if len(b.cipher) < aes.BlockSize {
		b.cipher = append(b.cipher, zeroBlock[:]...)
	}
	text := b.cipher[:len(b.cipher)&^(aes.BlockSize-1)]

	opened, invalid := false, error(nil)
	out := make([]byte, len(text)) // the caller's, if a key opens it
	for _, block := range ring {
		dst := out
		if opened {
			b.plain = append(b.plain[:0], text...)
			dst = b.plain
		}
		cipher.NewCBCDecrypter(block, b.iv).CryptBlocks(dst, text)
		n, padOK := unpad(dst)
		fields, err := Decode(dst[:n], schema)
		switch {
		case opened || !ivOK || !lengthOK || !padOK:
		case err == nil:
			opened, plain, f = true, dst[:n], fields
		case errors.Is(err, ErrInvalid):
			invalid = err // JSON comes out of the right key only
		}
	}
	switch {
	case opened:
		return plain, f, ""
	case !ivOK:
		return nil, Fields{}, whyIV
	case !lengthOK:
		return nil, Fields{}, whyLength
	case invalid != nil:
		return nil, Fields{}, whyDecrypted + invalid.Error()
	default:
		return nil, Fields{}, whyKey
	}
}

var zeroBlock [aes.BlockSize]byte

// unpad is the length of p without its PKCS#7 padding (RFC 5652, section 6.3),
// or its whole length when that is not right. p is not empty and of whole
// blocks. It looks at the same bytes in the same time, whatever they are.
func unpad(p []byte) (n int, ok bool) {
	last := p[len(p)-1]
	size := int(last)
	good := subtle.ConstantTimeLessOrEq(1, size) & subtle.ConstantTimeLessOrEq(size, aes.BlockSize)
	for i := 1; i <= aes.BlockSize; i++ {
		inside := subtle.ConstantTimeLessOrEq(i, size)
		good &= subtle.ConstantTimeByteEq(p[len(p)-i], last) | (1 - inside)
	}
	return len(p) - subtle.ConstantTimeSelect(good, size, 0), good == 1
}
