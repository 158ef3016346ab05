package bellis

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"time"
)

// blocksMax is how many blocks a worker may hold and want together.
const blocksMax = 1024

const (
	// resultsMax is how many results may wait to be stored until no more blocks are asked for, so
	// that a hello can list them all in one message.
	resultsMax = 8192
	// releaseBytesMax is the length of the texts in one release of many results.
	releaseBytesMax = 256 << 10
)

// session is what a worker knows of itself and of the broker: WORKERS.md, "States of a worker". The
// worker's mutex guards all of it. Nothing here waits, but for a write into a full connection.
type session struct {
	worker *Worker
	once   sync.Once // of worker.ended

	// Who it is.
	given, number uint64 // its number: as given, and as the last welcome said
	id            uint64 // the random number that each hello repeats
	greeting      uint64 // hellos so far
	isAnew        bool   // the session began when the worker had been given up
	job, task     string
	slot          uint32
	duty          string

	// The connection.
	link        *link // nil: there is none
	isWelcome   bool
	isLate      bool          // leases were over when the welcome or the last pong came
	wasWelcome  bool          // ever
	lease, beat time.Duration // as the last welcome said
	isDurable   bool
	trouble     error         // of the last connection
	helloSent   time.Duration // when the first hello of this link that is not answered was sent
	heard       time.Duration // when the last message came
	quiet       time.Duration // since when the link is silent
	asked       time.Duration // when it was asked for a sign, since then; 0: not yet
	lastTick    time.Duration
	lastPing    time.Duration
	nonce       uint64
	pings       map[uint64]time.Duration // those of this welcome that are not answered: when

	// The blocks.
	current   *Block
	stock     []leasedBlock // not begun
	credit    int           // how many more were asked for
	results   []result      // handed in, and perhaps not stored
	rule      stockRule
	shed      *time.Timer // hands the stock back
	stockRest time.Time   // since when the stock lies there
	sheds     bool        // while the current block takes long

	// The end.
	isWaiting  bool // somebody is in Acquire
	isDraining bool
	isLeaving  bool
	isOver     bool
	reason     string
	failure    error
}

func newSession(w *Worker) session {
	return session{
		worker: w, given: w.options.Worker, number: w.options.Worker, id: newSessionID(),
		job: w.options.Job, task: w.options.Task, heard: bootTime(),
		rule: newStockRule(w.options.Prefetch),
	}
}

func newSessionID() uint64 {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		panic("bellis: this system has no random numbers: " + err.Error())
	}
	return binary.LittleEndian.Uint64(random[:])>>2 + 1
}

// send sends a message, if there is a link. False: it surely has not arrived.
func (s *session) send(kind string, fields pairs) bool {
	if s.link == nil {
		return false
	}
	data, err := encode(kind, fields)
	if err != nil {
		s.worker.options.Notice(err.Error())
		return false
	}
	if err := s.link.send(data); err != nil {
		s.link.close() // the keeper finds out, and says isDown
		s.isWelcome = false
		return false
	}
	return true
}

func (s *session) hello() {
	if s.helloSent == 0 {
		s.helloSent = bootTime()
	}
	s.greeting++
	s.isWelcome, s.isLate = false, false
	s.credit = 0
	s.pings = nil
	host, _ := os.Hostname()
	held := []pairs{}
	for _, each := range s.held() {
		held = append(held, each.pairs())
	}
	o := &s.worker.options
	s.send("hello", pairs{
		{"version", 1}, {"role", "worker"}, {"token", o.Token}, {"job", s.job}, {"task", s.task},
		{"worker", s.number}, {"duty", o.Duty}, {"language", "go"}, {"host", host},
		{"pid", os.Getpid()}, {"machine", machine()}, {"session", s.id}, {"greeting", s.greeting},
		{"heartbeat_ms", o.Heartbeat.Milliseconds()}, {"held", held},
	})
}

// held is what a hello lists: what the worker has, and the results that may not be stored.
func (s *session) held() []heldLease {
	var held []heldLease
	if s.current != nil && !s.current.isLost {
		held = append(held, heldOf(s.current))
	}
	for _, block := range s.stock {
		held = append(held, heldLease{block.Lease, block.Index, block.Attempt})
	}
	for _, each := range s.results {
		held = append(held, each.held)
	}
	return held
}

func heldOf(b *Block) heldLease { return heldLease{b.Lease, b.Index, b.Attempt} }

func (s *session) ping() {
	s.nonce++
	if s.pings == nil {
		s.pings = map[uint64]time.Duration{}
	}
	s.lastPing = bootTime()
	s.pings[s.nonce] = s.lastPing
	s.send("ping", pairs{{"nonce", s.nonce}})
}

// ---- blocks ----

// wanted is how many blocks to ask for; `next`: besides those in advance.
func (s *session) wanted(next bool) int {
	want := s.rule.size - len(s.stock) - s.credit
	if next {
		want++
	}
	if most := blocksMax - 1 - len(s.stock) - s.credit; want > most {
		want = most
	}
	if want < 0 || s.isLate || s.isDraining || s.isLeaving || len(s.results) >= resultsMax {
		return 0
	}
	return want
}

func (s *session) ask() {
	if want := s.wanted(true); want > 0 && s.send("acquire", pairs{{"want", want}}) {
		s.credit += want
	}
}

// begin begins the first block of the stock; nil, if the leases have ended.
func (s *session) begin(ctx context.Context) *Block {
	first := s.stock[0]
	b := &Block{
		Task: s.task, ID: first.ID, Index: first.Index, Attempt: first.Attempt, Lease: first.Lease,
		Read: first.Read, Write: first.Write, Duty: s.duty,
		worker: s.worker, begun: time.Now(),
	}
	b.ctx, b.cancel = context.WithCancel(ctx)
	if s.worker.fence != nil && !s.worker.fence.begin(b.cancel) {
		b.cancel()
		s.stock = nil
		s.hello() // which does not list them: they go back as they were
		return nil
	}
	s.stock = s.stock[1:]
	s.isWaiting = false
	s.current = b
	s.worker.page.note(s.number, b.Lease)
	s.watchStock()
	return b
}

// finish ends the work on a block.
func (s *session) finish(b *Block, r result, next bool) {
	if b != s.current {
		return // it was handed in
	}
	if s.worker.fence != nil {
		s.worker.fence.end()
	}
	s.worker.page.note(s.number, 0)
	b.cancel()
	s.current, s.sheds = nil, false
	s.rule.took(time.Since(b.begun))
	if !b.isLost {
		r.held = heldOf(b)
		s.hand(r, next)
	}
	if s.isLeaving || s.isDraining && s.isWelcome {
		s.sayBye(s.reason)
	}
}

// hand hands a result in, or keeps it for the next welcome, and until it is stored.
func (s *session) hand(r result, next bool) {
	sent := false
	if s.isWelcome {
		fields := pairs{{"results", []pairs{r.pairs()}}}
		want := s.wanted(next)
		if want > 0 {
			fields = append(fields, pair{"want", want})
		}
		if sent = s.send("release", fields); sent {
			s.credit += want
		}
	}
	if s.isDurable && r.status != "returned" || !sent {
		s.results = append(s.results, r)
	}
}

// handAgain hands in all results that are kept, in as many messages as they need, and asks for
// blocks.
func (s *session) handAgain(want int) {
	results, size := []pairs{}, 0
	for _, each := range s.results {
		if size += len(each.text); size > releaseBytesMax || len(results) == blocksMax {
			s.send("release", pairs{{"results", results}})
			results, size = []pairs{}, len(each.text)
		}
		results = append(results, each.pairs())
	}
	if (want > 0 || len(results) > 0) && s.send("release", pairs{{"results", results}, {"want", want}}) {
		s.credit += want
	}
}

// lose says that the current block is not this worker's any more.
func (s *session) lose() {
	if s.current == nil || s.current.isLost {
		return
	}
	s.current.isLost = true
	s.current.cancel()
	if s.worker.fence != nil {
		s.worker.fence.freeze()
	}
}

// returnAll hands blocks back that were not begun.
func (s *session) returnAll(blocks []leasedBlock) {
	results := []pairs{}
	for _, block := range blocks {
		results = append(results, pairs{{"lease", block.Lease}, {"status", "returned"}})
	}
	if len(results) > 0 {
		s.send("release", pairs{{"results", results}})
	}
}

// watchStock hands the stock back if it lies there for stockPatient: while a block is worked on, if
// its size is not fixed, and while nobody asks for a block.
func (s *session) watchStock() {
	if len(s.stock) == 0 || s.rule.isFixed && s.current != nil {
		return
	}
	s.stockRest = time.Now()
	if s.shed == nil {
		s.shed = time.AfterFunc(stockPatient, s.worker.shedStock)
	} else {
		s.shed.Reset(stockPatient)
	}
}

func (w *Worker) shedStock() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	s := &w.session
	if !s.isWelcome || s.isWaiting || time.Since(s.stockRest) < stockPatient ||
		s.rule.isFixed && s.current != nil {
		return
	}
	s.returnAll(s.stock)
	s.stock = nil
	s.rule.rest()
	s.sheds = s.current != nil
}

// ---- the end ----

// sayBye ends the session.
func (s *session) sayBye(reason string) {
	s.send("bye", pairs{{"reason", reason}})
	s.end()
}

func (s *session) end() {
	s.isOver = true
	s.stock, s.results = nil, nil
	s.worker.keeper.stop()
	s.once.Do(func() { close(s.worker.ended) })
	s.worker.signal()
}

// stop ends the session by the worker's own wish.
func (s *session) stop() {
	if s.isOver {
		return
	}
	if s.current != nil {
		s.finish(s.current, result{status: "returned"}, false)
		if s.isOver {
			return
		}
	}
	if s.isWelcome {
		s.returnAll(s.stock)
		if s.stock = nil; s.credit > 0 {
			s.hello() // takes back the request, so that a block on its way counts no attempt
		}
	}
	s.sayBye("stopped")
}

// fail ends the session with an error, which Acquire returns.
func (s *session) fail(err error) {
	if s.failure != nil || s.isOver {
		return
	}
	s.failure = err
	s.lose()
	s.stock, s.results = nil, nil
	s.isWelcome = false
	s.worker.signal()
}

func (s *session) failNoBroker(silence time.Duration) {
	message := fmt.Sprintf("no broker answers at %s for %v", s.worker.options.Endpoint, silence)
	if s.trouble != nil {
		message += ": " + s.trouble.Error()
	}
	s.fail(&Error{CodeNoBroker, message})
}
