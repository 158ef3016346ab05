package bellis

import (
	"fmt"
	"math"
	"strconv"
)

// record reads the fields of a map, by name. The first thing that is wrong stays in `err`, which
// names the field; what is read after that is empty.
type record struct {
	place string // of the map in its message, for errors
	table table
	err   *Error // of the outermost map: see failed
	outer *record
}

// failed is where the message's first error stands.
func (r *record) failed() *record {
	for r.outer != nil {
		r = r.outer
	}
	return r
}

func (r *record) refuse(place, expected string, value any) {
	if f := r.failed(); f.err == nil {
		f.err = badMessage("%s is %s; expected %s", place, shown(value), expected)
	}
}

func shown(value any) string {
	switch v := value.(type) {
	case nil:
		return "missing"
	case other:
		return string(v)
	case string:
		if len(v) > 64 {
			v = v[:64]
		}
		return strconv.Quote(v)
	case []any:
		return "an array"
	case table:
		return "a map"
	}
	return fmt.Sprint(value)
}

// get returns the value of a key; nil where there is none.
func (r *record) get(key string) any {
	if r.table.twice[key] {
		r.refuse(r.place+"."+key, "it once", other("there twice"))
		return nil
	}
	return r.table.values[key]
}

func (r *record) required(key string) *record {
	if _, found := r.table.values[key]; !found {
		r.refuse(r.place+"."+key, "a value", nil)
	}
	return r
}

func (r *record) text(key, otherwise string) string {
	value := r.get(key)
	if value == nil {
		return otherwise
	}
	text, ok := value.(string)
	if !ok {
		r.refuse(r.place+"."+key, "a string", value)
	}
	return text
}

func (r *record) bool(key string) bool {
	value := r.get(key)
	if value == nil {
		return false
	}
	truth, ok := value.(bool)
	if !ok {
		r.refuse(r.place+"."+key, "true or false", value)
	}
	return truth
}

func (r *record) integer(place string, value any, least, most int64) int64 {
	number, ok := value.(int64)
	if !ok || number < least || number > most {
		r.refuse(place, fmt.Sprintf("an integer from %d to %d", least, most), value)
		return 0
	}
	return number
}

func (r *record) uint(key string, otherwise uint64) uint64 {
	value := r.get(key)
	if value == nil {
		return otherwise
	}
	return uint64(r.integer(r.place+"."+key, value, 0, math.MaxInt64))
}

func (r *record) uint32(key string, otherwise uint32) uint32 {
	value := r.get(key)
	if value == nil {
		return otherwise
	}
	return uint32(r.integer(r.place+"."+key, value, 0, math.MaxUint32))
}

func (r *record) int(key string) int64 {
	value := r.get(key)
	if value == nil {
		return 0
	}
	return r.integer(r.place+"."+key, value, math.MinInt64, math.MaxInt64)
}

func (r *record) float(key string) float64 {
	switch v := r.get(key).(type) {
	case nil:
		return 0
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
		r.refuse(r.place+"."+key, "a finite number", v)
	default:
		r.refuse(r.place+"."+key, "a number", v)
	}
	return 0
}

func (r *record) array(key string) []any {
	value := r.get(key)
	if value == nil {
		return nil
	}
	values, ok := value.([]any)
	if !ok {
		r.refuse(r.place+"."+key, "an array", value)
	}
	return values
}

func (r *record) uints(key string) []uint64 {
	read := []uint64{}
	for i, value := range r.array(key) {
		place := fmt.Sprintf("%s.%s[%d]", r.place, key, i)
		read = append(read, uint64(r.integer(place, value, 0, math.MaxInt64)))
	}
	return read
}

func (r *record) texts(key string) []string {
	read := []string{}
	for i, value := range r.array(key) {
		text, ok := value.(string)
		if !ok {
			r.refuse(fmt.Sprintf("%s.%s[%d]", r.place, key, i), "a string", value)
		}
		read = append(read, text)
	}
	return read
}

// inner reads a map.
func (r *record) inner(place string, value any) *record {
	fields, ok := value.(table)
	if !ok || fields.odd {
		r.refuse(place, "a map with string keys", value)
	}
	return &record{place: place, table: fields, outer: r}
}

// each calls `read` with each map of an array.
func (r *record) each(key string, read func(*record)) {
	for i, value := range r.array(key) {
		read(r.inner(fmt.Sprintf("%s.%s[%d]", r.place, key, i), value))
	}
}

func (r *record) roi(key string) Roi {
	place := r.place + "." + key
	value := r.required(key).get(key)
	halves, _ := value.([]any)
	if len(halves) != 2 {
		r.refuse(place, "[offset, shape]", value)
		return Roi{}
	}
	roi := Roi{
		r.coordinates(place+"[0]", halves[0], math.MinInt64),
		r.coordinates(place+"[1]", halves[1], 0),
	}
	if len(roi.Offset) != len(roi.Shape) {
		r.refuse(place, "as many offsets as lengths", other("of two dimensions"))
	}
	return roi
}

func (r *record) coordinates(place string, value any, least int64) []int64 {
	values, _ := value.([]any)
	if len(values) < 1 || len(values) > 8 {
		r.refuse(place, "1 to 8 integers", value)
		return nil
	}
	read := make([]int64, len(values))
	for i, each := range values {
		read[i] = r.integer(fmt.Sprintf("%s[%d]", place, i), each, least, math.MaxInt64)
	}
	return read
}
