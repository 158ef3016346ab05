package bellis

import (
	"bytes"
	"io"
	"math"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// What a message contains: bool, int64, uint64 (above 2^63-1), float64, string, []any, table, or
// other.
type (
	// table is a map. A key that is known must be there once; others are ignored.
	table struct {
		values map[string]any
		twice  map[string]bool // keys that were there more than once
		odd    bool            // it had keys that are no strings
	}
	// other is what no known field may be: nil, bin, an extension, a string that is no UTF-8.
	other string
)

// decode reads a message: [kind, fields]. Errors: CodeBadMessage. Cost: memory of a few times the
// message's length, whatever lengths stand in it.
func decode(data []byte) (kind string, fields *record, err error) {
	r := reader{bytes.NewReader(data), nil}
	r.decoder = msgpack.NewDecoder(r.data)
	value, err := r.value(1)
	if err != nil {
		return "", nil, badMessage("the message is not msgpack: %v", err)
	}
	if r.data.Len() > 0 {
		return "", nil, badMessage("%d bytes follow the message", r.data.Len())
	}
	array, _ := value.([]any)
	if len(array) != 2 {
		return "", nil, badMessage("the message is not [kind, fields]")
	}
	kind, ok := array[0].(string)
	if !ok {
		return "", nil, badMessage("kind is not a string")
	}
	all, ok := array[1].(table)
	if !ok || all.odd {
		return "", nil, badMessage("the fields of %s are not a map with string keys", kind)
	}
	return kind, &record{place: kind, table: all}, nil
}

type reader struct {
	data    *bytes.Reader
	decoder *msgpack.Decoder
}

func (r reader) value(level int) (any, error) {
	if level > nestingMax {
		return nil, badMessage("nested more than %d deep", nestingMax)
	}
	code, err := r.decoder.PeekCode()
	switch {
	case err != nil:
		return nil, err
	case msgpcode.IsFixedNum(code):
		return r.decoder.DecodeInt64()
	case msgpcode.IsString(code):
		return r.text()
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		return r.array(level)
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		return r.table(level)
	case msgpcode.IsExt(code):
		return other("an extension"), r.decoder.Skip()
	}
	switch code {
	case msgpcode.Nil:
		return other("nil"), r.decoder.DecodeNil()
	case msgpcode.False, msgpcode.True:
		return r.decoder.DecodeBool()
	case msgpcode.Float, msgpcode.Double:
		return r.decoder.DecodeFloat64()
	case msgpcode.Bin8, msgpcode.Bin16, msgpcode.Bin32:
		return other("bin"), r.skipBin()
	case msgpcode.Uint8, msgpcode.Uint16, msgpcode.Uint32, msgpcode.Uint64:
		number, err := r.decoder.DecodeUint64()
		if number > math.MaxInt64 {
			return number, err
		}
		return int64(number), err
	case msgpcode.Int8, msgpcode.Int16, msgpcode.Int32, msgpcode.Int64:
		return r.decoder.DecodeInt64()
	}
	return nil, badMessage("byte %#x", code)
}

// bounded returns an error if there cannot be `count` values of `bytes` bytes in what is left.
func (r reader) bounded(count, bytes int) error {
	if count < 0 || count > r.data.Len()/bytes {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (r reader) text() (any, error) {
	length, err := r.decoder.DecodeBytesLen()
	if err == nil {
		err = r.bounded(length, 1)
	}
	if err != nil {
		return nil, err
	}
	text := make([]byte, length)
	if err := r.decoder.ReadFull(text); err != nil {
		return nil, err
	}
	if !utf8.Valid(text) {
		return other("a string that is no UTF-8"), nil
	}
	return string(text), nil
}

func (r reader) skipBin() error {
	length, err := r.decoder.DecodeBytesLen()
	if err == nil {
		err = r.bounded(length, 1)
	}
	if err != nil {
		return err
	}
	return r.decoder.ReadFull(make([]byte, length))
}

func (r reader) array(level int) (any, error) {
	length, err := r.decoder.DecodeArrayLen()
	if err == nil {
		err = r.bounded(length, 1)
	}
	if err != nil {
		return nil, err
	}
	values := make([]any, length)
	for i := range values {
		if values[i], err = r.value(level + 1); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (r reader) table(level int) (any, error) {
	length, err := r.decoder.DecodeMapLen()
	if err == nil {
		err = r.bounded(length, 2)
	}
	if err != nil {
		return nil, err
	}
	read := table{values: make(map[string]any, length)}
	for i := 0; i < length; i++ {
		key, err := r.value(level + 1)
		if err != nil {
			return nil, err
		}
		value, err := r.value(level + 1)
		if err != nil {
			return nil, err
		}
		name, isText := key.(string)
		if !isText {
			read.odd = true
			continue
		}
		if _, found := read.values[name]; found {
			if read.twice == nil {
				read.twice = map[string]bool{}
			}
			read.twice[name] = true
		}
		read.values[name] = value
	}
	return read, nil
}
