package bellis

import "math"

// What a worker hears (MESSAGES.md). JSON names are those of the messages.

// Roi is a region of interest in world units: where it begins, and how long it is in each dimension.
// Both have 1 to 8 numbers, as many as the volume has dimensions.
type Roi struct {
	Offset []int64 `json:"offset"`
	Shape  []int64 `json:"shape"` // not negative
}

type welcome struct {
	Version     uint32   `json:"version"`
	Broker      string   `json:"broker"`
	Job         string   `json:"job"`
	Task        string   `json:"task"`
	Worker      uint64   `json:"worker"`
	Duty        string   `json:"duty"`
	Slot        uint32   `json:"slot"`
	LeaseMs     uint32   `json:"lease_ms"`
	HeartbeatMs uint32   `json:"heartbeat_ms"`
	Durable     bool     `json:"durable"`
	Prefetch    *uint32  `json:"prefetch"`
	Held        []uint64 `json:"held"`
	Grid        *grid    `json:"grid"` // only if the hello said runs
}

// grid is that of a task: MESSAGES.md, "welcome".
type grid struct {
	Shape []uint64 `json:"shape"`
	Read  Roi      `json:"read"`
	Write Roi      `json:"write"`
	Total Roi      `json:"total"`
	Fit   string   `json:"fit"`
}

// run is one of several blocks with consecutive leases. This package does not ask for runs, so a
// broker sends none.
type run struct {
	Lease uint64 `json:"lease"`
	Index uint64 `json:"index"`
	Count uint32 `json:"count"`
}

type leasedBlock struct {
	Lease   uint64 `json:"lease"`
	Index   uint64 `json:"index"`
	ID      int64  `json:"id"`
	Read    Roi    `json:"read"`
	Write   Roi    `json:"write"`
	Attempt uint32 `json:"attempt"`
}

type work struct {
	Blocks []leasedBlock `json:"blocks"`
	Runs   []run         `json:"runs"`
}

type committed struct {
	Leases  []uint64 `json:"leases"`
	Dropped []uint64 `json:"dropped"`
	Runs    []run    `json:"runs"`
}

type recall struct {
	Keep int `json:"keep"`
}

// reasoned is a leave or a drain.
type reasoned struct {
	Reason string `json:"reason"`
}

type pong struct {
	Nonce uint64 `json:"nonce"`
}

type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Req     uint64 `json:"req"`
}

func (r refusal) asError() *Error {
	if r.Message == "" {
		return &Error{r.Code, "the broker refuses"}
	}
	return &Error{r.Code, "the broker says: " + r.Message}
}

// readMessage reads what a broker sends to a worker or a client. An unknown kind is nil. Errors:
// CodeBadMessage.
func readMessage(data []byte) (any, error) {
	kind, fields, err := decode(data)
	if err != nil {
		return nil, err
	}
	message := readKind(kind, fields)
	if fields.err != nil {
		return nil, fields.err
	}
	return message, nil
}

func readKind(kind string, r *record) any {
	switch kind {
	case "welcome":
		read := welcome{
			Version: r.uint32("version", 1), Broker: r.text("broker", ""),
			Job: r.text("job", ""), Task: r.text("task", ""), Worker: r.uint("worker", 0),
			Duty: r.text("duty", "work"), Slot: r.uint32("slot", 0),
			LeaseMs: r.uint32("lease_ms", 0), HeartbeatMs: r.uint32("heartbeat_ms", 0),
			Durable: r.bool("durable"), Held: r.uints("held"), Grid: readGrid(r),
		}
		if r.get("prefetch") != nil {
			count := r.uint32("prefetch", 0)
			read.Prefetch = &count
		}
		return read
	case "work":
		read := work{Blocks: []leasedBlock{}, Runs: readRuns(r, true)}
		r.required("blocks").each("blocks", func(b *record) {
			read.Blocks = append(read.Blocks, readBlock(b))
		})
		return read
	case "recall":
		keep := r.get("keep")
		if keep == nil {
			return recall{1}
		}
		return recall{int(r.integer("recall.keep", keep, 1, math.MaxUint32))}
	case "committed":
		return committed{r.uints("leases"), r.uints("dropped"), readRuns(r, false)}
	case "drain":
		return drain{reasoned{r.text("reason", "")}}
	case "leave":
		return leave{reasoned{r.text("reason", "")}}
	case "pong":
		return pong{r.uint("nonce", 0)}
	case "error":
		return refusal{r.text("code", CodeBadMessage), r.text("message", ""), r.uint("req", 0)}
	}
	return readAnswer(kind, r)
}

type drain struct{ reasoned }
type leave struct{ reasoned }

func readGrid(r *record) *grid {
	value := r.get("grid")
	if value == nil {
		return nil
	}
	g := r.inner(r.place+".grid", value)
	return &grid{
		Shape: g.required("shape").uints("shape"), Read: g.roi("read"), Write: g.roi("write"),
		Total: g.roi("total"), Fit: g.text("fit", "valid"),
	}
}

func readRuns(r *record, haveIndex bool) []run {
	read := []run{}
	r.each("runs", func(each *record) {
		made := run{Lease: each.required("lease").uint("lease", 0)}
		if haveIndex {
			made.Index = each.required("index").uint("index", 0)
		}
		value := each.required("count").get("count")
		made.Count = uint32(each.integer(each.place+".count", value, 1, blocksMax))
		read = append(read, made)
	})
	return read
}

func readBlock(b *record) leasedBlock {
	return leasedBlock{
		Lease: b.required("lease").uint("lease", 0), Index: b.required("index").uint("index", 0),
		ID: b.required("id").int("id"), Read: b.roi("read"), Write: b.roi("write"),
		Attempt: b.uint32("attempt", 1),
	}
}
