package bellis

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// vector is a file of tests/conformance/vectors.
type vector struct {
	Message   []any
	Encodings []struct{ How, Hex string }
	Refused   []struct{ How, Hex, Code, Names string }
}

const vectorsFolder = "../../tests/conformance/vectors"

func readVector(t *testing.T, kind string) vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectorsFolder, kind+".json"))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var read vector
	if err := decoder.Decode(&read); err != nil {
		t.Fatal(err)
	}
	return read
}

func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// heardKinds are what a worker or a client hears; saidKinds are what they say.
var (
	heardKinds = []string{"welcome", "pong", "error", "work", "recall", "committed", "drain", "leave", "submitted",
		"jobs", "cancelled", "progress", "ended", "retried", "ok", "explained"}
	saidKinds = []string{"hello", "ping", "bye", "acquire", "release", "submit", "status", "cancel",
		"watch", "retry_failed", "pause", "resume", "set_workers", "worker_gone", "explain"}
	launcherKinds = []string{"launch", "stop", "launched", "exited"}
)

func TestEveryVectorIsForSomebody(t *testing.T) {
	known := map[string]bool{"envelope": true}
	for _, kinds := range [][]string{heardKinds, saidKinds, launcherKinds} {
		for _, kind := range kinds {
			known[kind] = true
		}
	}
	files, err := filepath.Glob(vectorsFolder + "/*.json")
	if err != nil || len(files) < 30 {
		t.Fatal("there are no vectors", err)
	}
	for _, file := range files {
		if kind := strings.TrimSuffix(filepath.Base(file), ".json"); !known[kind] {
			t.Errorf("nobody reads or writes %s", kind)
		}
	}
}

func TestAllEncodingsOfAMessageMeanTheSame(t *testing.T) {
	for _, kind := range heardKinds {
		vector := readVector(t, kind)
		for _, each := range vector.Encodings {
			message, err := readMessage(bytesOf(t, each.Hex))
			if err != nil || message == nil {
				t.Errorf("%s, %s: %v", kind, each.How, err)
				continue
			}
			checkMeans(t, kind+", "+each.How, message, vector.Message[1].(map[string]any))
		}
	}
}

// checkMeans checks that a message that was read has all that the vector says.
func checkMeans(t *testing.T, what string, message any, expected map[string]any) {
	t.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var read any
	if err := decoder.Decode(&read); err != nil {
		t.Fatal(err)
	}
	checkContains(t, what, read, expected)
}

func checkContains(t *testing.T, place string, read, expected any) {
	t.Helper()
	switch e := expected.(type) {
	case map[string]any:
		fields, _ := read.(map[string]any)
		for key, value := range e {
			checkContains(t, place+"."+key, fields[key], value)
		}
	case []any:
		if roi, isRoi := read.(map[string]any); isRoi && len(e) == 2 {
			read = []any{roi["offset"], roi["shape"]}
		}
		values, _ := read.([]any)
		if len(values) != len(e) {
			t.Errorf("%s is %v, expected %v", place, read, expected)
			return
		}
		for i := range e {
			checkContains(t, place, values[i], e[i])
		}
	case json.Number:
		number, _ := read.(json.Number)
		if got, _ := number.Float64(); number != e && got != floatOf(t, e) {
			t.Errorf("%s is %v, expected %v", place, read, expected)
		}
	default:
		if !reflect.DeepEqual(read, expected) {
			t.Errorf("%s is %v, expected %v", place, read, expected)
		}
	}
}

func floatOf(t *testing.T, number json.Number) float64 {
	t.Helper()
	value, err := number.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestWhatIsNotAsTheProtocolSaysIsRefused(t *testing.T) {
	for _, kind := range heardKinds {
		for _, each := range readVector(t, kind).Refused {
			message, err := readMessage(bytesOf(t, each.Hex))
			refused, _ := err.(*Error)
			if refused == nil || refused.Code != each.Code {
				t.Errorf("%s, %s: read as %v, %v", kind, each.How, message, err)
			} else if !strings.Contains(refused.Message, each.Names) {
				t.Errorf("%s, %s: %q does not name %s", kind, each.How, refused.Message, each.Names)
			}
		}
	}
}

func TestBytesThatAreNoMessageAreRefused(t *testing.T) {
	for _, each := range readVector(t, "envelope").Refused {
		message, err := readMessage(bytesOf(t, each.Hex))
		if each.Code == CodeUnknownKind {
			if message != nil || err != nil {
				t.Errorf("%s: expected to be passed over: %v, %v", each.How, message, err)
			}
		} else if err == nil {
			t.Errorf("%s: read as %v", each.How, message)
		}
	}
}

func TestWhatIsWrittenMeansTheMessage(t *testing.T) {
	for _, kind := range saidKinds {
		vector := readVector(t, kind)
		data, err := encode(kind, pairsOf(vector.Message[1].(map[string]any)))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		expected := decoded(t, bytesOf(t, vector.Encodings[0].Hex))
		if got := decoded(t, data); !reflect.DeepEqual(got, expected) {
			t.Errorf("%s: %v, expected %v", kind, got, expected)
		}
	}
}

func pairsOf(fields map[string]any) pairs {
	var made pairs
	for key, value := range fields {
		made = append(made, pair{key, value})
	}
	return made
}

func decoded(t *testing.T, data []byte) table {
	t.Helper()
	_, fields, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return fields.table
}

func TestValuesThatMsgpackHasNotAreRefusedByName(t *testing.T) {
	deep := any(1)
	for i := 0; i < 20; i++ {
		deep = []any{deep}
	}
	for name, value := range map[string]any{
		"nil": nil, "function": func() {}, "NaN": map[string]float64{"x": nan()}, "large": uint64(1) << 63,
		"keys": map[int]int{1: 2}, "bytes": "\xff", "deep": deep,
	} {
		_, err := encode("submit", pairs{{"job", map[string]any{"a": []any{value}}}})
		if refused, _ := err.(*Error); refused == nil || !strings.Contains(refused.Message, "submit.job.a[0]") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := encode("submit", pairs{{"job", strings.Repeat("x", messageBytesMax)}})
	if refused, _ := err.(*Error); refused == nil || refused.Code != CodeTooLarge {
		t.Error(err)
	}
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}
