package intake

import (
	"crypto/aes"
	"crypto/cipher"
	"unicode/utf8"
)

// Unseal is what a body that was refused may say: the texts that keys make of it,
// whether or not they are JSON; none when no key opens it. It is for looking whose
// it is, and decides nothing.
func Unseal(keys [][]byte, iv string, body []byte) (texts [][]byte, err error) {
	ring, err := newKeyring(keys)
	if err != nil {
		return nil, err
	}
	start, sealed := appendBase64(nil, iv), appendBase64(nil, body)
	from := 0 // where noise would show
	if len(start) != aes.BlockSize {
		start, from = zeroBlock[:], aes.BlockSize // only the first block hangs on it
	}
	sealed = sealed[:len(sealed)&^(aes.BlockSize-1)]
	for _, block := range ring {
		if len(sealed) == 0 {
			break
		}
		text := make([]byte, len(sealed))
		cipher.NewCBCDecrypter(block, start).CryptBlocks(text, sealed)
		n, ok := unpad(text)
		if ok && utf8.Valid(text[min(n, from):n]) { // a wrong key makes noise
			texts = append(texts, text[:n])
		}
	}
	return texts, nil
}
