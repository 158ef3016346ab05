package bellis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sort"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
)

// messageBytesMax is the longest message that a broker takes.
const messageBytesMax = 1 << 20

// nestingMax is how many levels a message has at most; the message's own array is the first.
const nestingMax = 16

// pairs are the fields of a message, in the order in which they are sent.
type pairs []pair

type pair struct {
	key   string
	value any // a bool, an integer, a float64, a string, or a slice, map or pairs of them
}

// encode makes a message. Errors: CodeInvalidSpec, which names the place of a value that msgpack or
// the protocol does not have; CodeTooLarge.
func encode(kind string, fields pairs) ([]byte, error) {
	var buffer bytes.Buffer
	e := msgpack.NewEncoder(&buffer)
	// Writing into memory does not fail.
	_ = e.EncodeArrayLen(2)
	_ = e.EncodeString(kind)
	if err := encodeValue(e, kind, fields, 2); err != nil {
		return nil, err
	}
	if buffer.Len() > messageBytesMax {
		return nil, &Error{CodeTooLarge, fmt.Sprintf(
			"the message %s has %d bytes; a broker takes 1048576", kind, buffer.Len())}
	}
	return buffer.Bytes(), nil
}

func encodeValue(e *msgpack.Encoder, place string, value any, level int) error {
	refuse := func(why string) error {
		return &Error{CodeInvalidSpec, place + " is " + why + "; expected a string, a bool, an " +
			"integer up to 2^63-1, a finite float, or a slice or a map with string keys of these"}
	}
	if level > nestingMax {
		return refuse(fmt.Sprintf("nested more than %d deep", nestingMax))
	}
	switch v := value.(type) {
	case pairs:
		_ = e.EncodeMapLen(len(v))
		for _, each := range v {
			_ = e.EncodeString(each.key)
			if err := encodeValue(e, place+"."+each.key, each.value, level+1); err != nil {
				return err
			}
		}
		return nil
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return e.EncodeInt(whole)
		}
		number, err := v.Float64()
		if err != nil {
			return refuse(v.String())
		}
		return e.EncodeFloat64(number)
	case nil:
		return refuse("nil (leave the key out instead)")
	}
	return encodeReflected(e, place, reflect.ValueOf(value), level, refuse)
}

func encodeReflected(e *msgpack.Encoder, place string, v reflect.Value, level int, refuse func(string) error) error {
	switch v.Kind() {
	case reflect.Bool:
		return e.EncodeBool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return e.EncodeInt(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > math.MaxInt64 {
			return refuse(fmt.Sprint(v.Uint()))
		}
		return e.EncodeUint(v.Uint())
	case reflect.Float32, reflect.Float64:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return refuse(fmt.Sprint(v.Float()))
		}
		return e.EncodeFloat64(v.Float())
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return refuse(fmt.Sprintf("%q, which is no UTF-8", v.String()))
		}
		return e.EncodeString(v.String())
	case reflect.Slice, reflect.Array:
		_ = e.EncodeArrayLen(v.Len())
		for i := 0; i < v.Len(); i++ {
			if err := encodeValue(e, fmt.Sprintf("%s[%d]", place, i), v.Index(i).Interface(), level+1); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		return encodeMap(e, place, v, level, refuse)
	}
	return refuse("a " + v.Type().String())
}

func encodeMap(e *msgpack.Encoder, place string, v reflect.Value, level int, refuse func(string) error) error {
	if v.Type().Key().Kind() != reflect.String {
		return refuse("a " + v.Type().String())
	}
	keys := v.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	_ = e.EncodeMapLen(len(keys))
	for _, key := range keys {
		if !utf8.ValidString(key.String()) {
			return refuse(fmt.Sprintf("with the key %q, which is no UTF-8", key.String()))
		}
		_ = e.EncodeString(key.String())
		if err := encodeValue(e, place+"."+key.String(), v.MapIndex(key).Interface(), level+1); err != nil {
			return err
		}
	}
	return nil
}
