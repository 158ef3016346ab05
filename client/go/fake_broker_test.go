package bellis

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-zeromq/zmq4"
)

// hang is when a test that hangs ends; no result depends on it.
const hang = 30 * time.Second

// fakeBroker is a broker's side of the protocol. A test plays it, message by message.
type fakeBroker struct {
	t        *testing.T
	listener net.Listener
	endpoint string
}

func newFakeBroker(t *testing.T) *fakeBroker {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return &fakeBroker{t, listener, "ipc://" + path}
}

// peer is one connection of a fake broker.
type peer struct {
	t    *testing.T
	raw  net.Conn
	conn *zmq4.Conn
}

// accept waits for the next connection.
func (b *fakeBroker) accept() *peer {
	b.t.Helper()
	_ = b.listener.(*net.UnixListener).SetDeadline(time.Now().Add(hang))
	raw, err := b.listener.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(hang))
	conn, err := zmq4.Open(raw, null{}, zmq4.Router, nil, true, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return &peer{b.t, raw, conn}
}

// receive reads the next message; pings are answered if `pong`, and passed over.
func (p *peer) receive() (string, *record) {
	p.t.Helper()
	message, err := p.conn.RecvMsg()
	if err != nil {
		p.t.Fatalf("expected a message: %v", err)
	}
	if len(message.Frames) != 1 {
		p.t.Fatalf("a message is one frame, not %d", len(message.Frames))
	}
	kind, fields, err := decode(message.Frames[0])
	if err != nil {
		p.t.Fatal(err)
	}
	return kind, fields
}

// expect reads the next message, which must be of that kind.
func (p *peer) expect(kind string) *record {
	p.t.Helper()
	got, fields := p.receive()
	if got != kind {
		p.t.Fatalf("expected %s, got %s %v", kind, got, fields.table.values)
	}
	return fields
}

// expectWant expects an acquire, or a release without results, that wants so many blocks.
func (p *peer) expectWant(want uint64) {
	p.t.Helper()
	kind, fields := p.receive()
	if kind != "acquire" && kind != "release" || fields.uint("want", 0) != want || len(fields.array("results")) > 0 {
		p.t.Fatalf("expected a want of %d, got %s %v", want, kind, fields.table.values)
	}
}

// expectResult expects a release of one result.
func (p *peer) expectResult(lease uint64, status string) *record {
	p.t.Helper()
	fields := p.expect("release")
	results := p.resultsOf(fields)
	if len(results) != 1 || results[lease] != status {
		p.t.Fatalf("expected %d %s, got %v", lease, status, fields.table.values)
	}
	return fields
}

func (p *peer) resultsOf(fields *record) map[uint64]string {
	results := map[uint64]string{}
	fields.each("results", func(r *record) { results[r.uint("lease", 0)] = r.text("status", "completed") })
	return results
}

func (p *peer) send(kind string, fields pairs) {
	p.t.Helper()
	data, err := encode(kind, fields)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.conn.SendMsg(zmq4.NewMsg(data)); err != nil {
		p.t.Fatal(err)
	}
}

// welcome expects a hello, and answers it: the worker has number 7.
func (p *peer) welcome(more ...pair) *record {
	p.t.Helper()
	hello := p.expect("hello")
	p.send("welcome", append(pairs{{"version", 1}, {"job", "job-1"}, {"task", "A"}, {"worker", 7}}, more...))
	return hello
}

// work sends blocks with these leases; a block's index is its lease plus 100.
func (p *peer) work(leases ...uint64) {
	p.t.Helper()
	blocks := []pairs{}
	for _, lease := range leases {
		blocks = append(blocks, pairs{{"lease", lease}, {"index", lease + 100}, {"id", lease + 200},
			{"read", [][]int{{-1, 0}, {6, 4}}}, {"write", [][]int{{0, 1}, {4, 2}}}, {"attempt", 2}})
	}
	p.send("work", pairs{{"blocks", blocks}})
}

// expectEnd expects the connection's end.
func (p *peer) expectEnd() {
	p.t.Helper()
	if message, err := p.conn.RecvMsg(); err == nil {
		p.t.Fatalf("expected the end of the connection, got %q", message.Frames)
	}
}

// kindsUntilEnd reads all messages, and names their kinds.
func (p *peer) kindsUntilEnd() string {
	p.t.Helper()
	var kinds []string
	for {
		message, err := p.conn.RecvMsg()
		if err != nil {
			return strings.Join(kinds, " ")
		}
		kind, _, err := decode(message.Bytes())
		if err != nil {
			p.t.Fatal(err)
		}
		kinds = append(kinds, kind)
	}
}

func (p *peer) heldBy(hello *record) []uint64 {
	held := []uint64{}
	hello.each("held", func(h *record) {
		held = append(held, h.uint("lease", 0))
		if h.uint("index", 0) != h.uint("lease", 0)+100 || h.uint("attempt", 0) != 2 {
			p.t.Errorf("held is %v", h.table.values)
		}
	})
	return held
}

// fakeWorker makes a worker of a fake broker; without heartbeats, one block at a time.
func (b *fakeBroker) worker(change func(*Options)) *Worker {
	b.t.Helper()
	options := Options{Access: Access{Endpoint: b.endpoint}, Notice: func(string) {}}
	if change != nil {
		change(&options)
	}
	w, err := NewWorker(options)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(w.Close)
	return w
}

// outcome is what Acquire returns.
type outcome struct {
	block *Block
	err   error
}

// acquire calls Acquire in another goroutine.
func acquire(w *Worker) <-chan outcome {
	result := make(chan outcome, 1)
	go func() {
		block, err := w.Acquire(context.Background())
		result <- outcome{block, err}
	}()
	return result
}

// blockOf waits for the block of an acquire.
func blockOf(t *testing.T, from <-chan outcome) *Block {
	t.Helper()
	got := outcomeOf(t, from)
	if got.err != nil {
		t.Fatal(got.err)
	}
	return got.block
}

func outcomeOf(t *testing.T, from <-chan outcome) outcome {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(hang):
		t.Fatal("Acquire does not return")
	}
	return outcome{}
}

func waitFor(t *testing.T, what <-chan struct{}, said string) {
	t.Helper()
	select {
	case <-what:
	case <-time.After(hang):
		t.Fatal("it never came to this: " + said)
	}
}
