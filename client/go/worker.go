package bellis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Worker takes blocks of one task, one after the other. One goroutine at a time uses it.
type Worker struct {
	options Options
	fence   *fence // nil: no heartbeats
	keeper  *keeper
	page    *workPage
	wake    chan struct{} // something has changed for who waits in Acquire
	ended   chan struct{} // when the worker has said bye, or cannot go on
	ticks   chan struct{} // when the goroutine that ticks has ended

	mutex    sync.Mutex
	session  session
	isClosed bool
}

// NewWorker makes a worker and begins to connect it. It does not wait for the broker. Errors:
// CodeEnvironment, which names the option.
func NewWorker(options Options) (*Worker, error) {
	options, err := options.checked()
	if err != nil {
		return nil, err
	}
	to, err := parseEndpoint("endpoint (BELLIS_ENDPOINT)", options.Endpoint)
	if err != nil {
		return nil, err
	}
	keys, err := options.keys()
	if err != nil {
		return nil, err
	}
	w := &Worker{
		options: options,
		wake:    make(chan struct{}, 1), ended: make(chan struct{}), ticks: make(chan struct{}),
	}
	if options.Heartbeat > 0 {
		if w.fence, err = newFence(); err != nil {
			return nil, err
		}
	}
	w.page = openWorkPage(options.WorkPage)
	w.mutex.Lock() // until all is there that the keeper's goroutine uses
	w.session = newSession(w)
	w.keeper = keep(to, keys, (*workerEvents)(w))
	w.mutex.Unlock()
	go w.tick()
	return w, nil
}

// WorkerFromEnvironment makes a worker with OptionsFromEnvironment.
func WorkerFromEnvironment() (*Worker, error) {
	options, err := OptionsFromEnvironment()
	if err != nil {
		return nil, err
	}
	return NewWorker(options)
}

// Acquire waits for the next block. The one before must be handed in. Errors: ErrDone if there are
// no more blocks for this worker; an *Error if the broker refuses this worker or does not answer;
// that of `ctx` when it ends. The block's context ends with `ctx`.
func (w *Worker) Acquire(ctx context.Context) (*Block, error) {
	for {
		block, err := w.take(ctx)
		if block != nil || err != nil {
			return block, err
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			w.mutex.Lock()
			w.session.isWaiting = false
			w.session.watchStock()
			w.mutex.Unlock()
			return nil, ctx.Err()
		}
	}
}

// take returns a block of the stock; nil if there is none yet, and then asks for one.
func (w *Worker) take(ctx context.Context) (*Block, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	s := &w.session
	switch {
	case s.current != nil:
		return nil, errors.New("bellis: the block before is not handed in")
	case s.failure != nil:
		return nil, s.failure
	case s.isOver:
		return nil, ErrDone
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	s.isWaiting = true
	if !s.isWelcome {
		return nil, nil
	}
	if len(s.stock) == 0 {
		s.ask()
		return nil, nil
	}
	return s.begin(ctx), nil
}

// handIn ends the work on a block. With `next` it asks for the next one in the same message.
func (w *Worker) handIn(b *Block, r result, next bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.session.finish(b, r, next)
}

// Close hands back what the worker holds, says bye, and disconnects. It waits a second at most for
// what was sent to arrive. Do not call it while work goes on, but after that always.
func (w *Worker) Close() {
	w.mutex.Lock()
	if w.isClosed {
		w.mutex.Unlock()
		return
	}
	w.isClosed = true
	w.session.stop()
	l := w.session.link
	w.session.link = nil
	w.page.close()
	w.mutex.Unlock()
	w.keeper.finish(l)
	<-w.ticks
	if w.fence != nil {
		w.fence.close()
	}
}

// Job is the id of the job that it works for; empty before the first block.
func (w *Worker) Job() string { return w.read(func(s *session) string { return s.job }) }

// Task is the task that it works for; empty before the first block.
func (w *Worker) Task() string { return w.read(func(s *session) string { return s.task }) }

// LeaveReason is why the broker has no more blocks for this worker.
func (w *Worker) LeaveReason() string { return w.read(func(s *session) string { return s.reason }) }

func (w *Worker) read(what func(*session) string) string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return what(&w.session)
}

// Number is the worker's number, and Slot its place among the workers of its task, from 0. No other
// worker has that slot at the same time: for a GPU, a port. Both are 0 before the first block.
func (w *Worker) Number() uint64 {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.session.number
}

// Slot is described at Number.
func (w *Worker) Slot() uint32 {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.session.slot
}

// tick does what is due with time, and wakes who waits.
func (w *Worker) tick() {
	defer close(w.ticks)
	every := w.options.PingInterval / 4
	if beat := w.options.Heartbeat / 8; beat > 0 && beat < every {
		every = beat
	}
	if every > 250*time.Millisecond {
		every = 250 * time.Millisecond
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-w.ended:
			return
		case <-ticker.C:
			w.mutex.Lock()
			w.session.onTick(bootTime())
			w.mutex.Unlock()
		}
	}
}

func (w *Worker) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// workerEvents are what the keeper's goroutine tells a Worker.
type workerEvents Worker

func (e *workerEvents) isUp(l *link) {
	w := (*Worker)(e)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.session.onUp(l)
}

func (e *workerEvents) isDown(err error) {
	w := (*Worker)(e)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.session.onDown(err)
}

func (e *workerEvents) hears(data []byte) {
	w := (*Worker)(e)
	message, err := readMessage(data)
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.session.heard = bootTime()
	if err != nil {
		w.options.Notice(fmt.Sprintf("a message of the broker is not understood: %v", err))
		return
	}
	w.session.onMessage(message)
	w.signal()
}
