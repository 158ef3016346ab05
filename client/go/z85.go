package bellis

import "strings"

// The alphabet of Z85 (ZeroMQ RFC 32), in which keys are written.
const z85Alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

const (
	keyBytes      = 32
	keyCharacters = 40
)

// parseKey reads a key of 40 characters.
func parseKey(text string) (key [keyBytes]byte, ok bool) {
	if len(text) != keyCharacters {
		return key, false
	}
	for i := 0; i < keyCharacters; i += 5 {
		value := uint64(0)
		for _, character := range []byte(text[i : i+5]) {
			digit := strings.IndexByte(z85Alphabet, character)
			if digit < 0 {
				return key, false
			}
			value = value*85 + uint64(digit)
		}
		if value > 0xffffffff {
			return key, false
		}
		for j := 0; j < 4; j++ {
			key[i/5*4+j] = byte(value >> (24 - 8*j))
		}
	}
	return key, true
}
