package bellis

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAWorkerSaysWhoItIsAndTakesOneBlockAtATime(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Job, o.Task, o.Worker, o.Token = "job-1", "A", 7, "secret" })
	first := acquire(w)
	p := broker.accept()
	if id := p.conn.Peer.Meta["Identity"]; id != "" {
		t.Errorf("the routing id is %q", id)
	}
	hello := p.welcome(pair{"slot", 3})
	for key, expected := range map[string]any{
		"version": int64(1), "role": "worker", "token": "secret", "job": "job-1", "task": "A",
		"worker": int64(7), "duty": "work", "language": "go", "greeting": int64(1),
		"heartbeat_ms": int64(0), "held": []any{}, "pid": int64(os.Getpid()), "machine": machine(),
	} {
		if got := hello.get(key); !reflect.DeepEqual(got, expected) {
			t.Errorf("%s is %v, expected %v", key, got, expected)
		}
	}
	if hello.uint("session", 0) == 0 {
		t.Error("there is no session")
	}
	p.expectWant(1)
	p.work(1)
	b := blockOf(t, first)
	got := Block{Task: b.Task, ID: b.ID, Index: b.Index, Attempt: b.Attempt, Lease: b.Lease,
		Duty: b.Duty, Read: b.Read, Write: b.Write}
	expected := Block{Task: "A", ID: 201, Index: 101, Attempt: 2, Lease: 1, Duty: "work",
		Read: Roi{[]int64{-1, 0}, []int64{6, 4}}, Write: Roi{[]int64{0, 1}, []int64{4, 2}}}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("%+v, expected %+v", got, expected)
	}
	if w.Number() != 7 || w.Slot() != 3 || w.Job() != "job-1" || w.Task() != "A" {
		t.Error(w.Number(), w.Slot(), w.Job(), w.Task())
	}
	b.Complete()
	p.expectResult(1, "completed")
	b.Fail(errors.New("twice"))
	second := acquire(w)
	p.expectWant(1)
	p.work(2)
	blockOf(t, second).Fail(errors.New("no signal \xff" + strings.Repeat("x", 20_000)))
	failed := p.expectResult(2, "failed").array("results")[0].(table).values["error"].(string)
	if !strings.HasPrefix(failed, "no signal \uFFFDxxx") || len(failed) > errorBytesMax {
		t.Error(failed)
	}
	third := acquire(w)
	p.expectWant(1)
	p.work(3)
	blockOf(t, third).Return()
	p.expectResult(3, "returned")
	last := acquire(w)
	p.expectWant(1)
	p.send("leave", pairs{{"reason", "the task is done"}})
	if got := outcomeOf(t, last); got.err != ErrDone || w.LeaveReason() != "the task is done" {
		t.Error(got.err, w.LeaveReason())
	}
	p.expect("bye")
	w.Close()
	p.expectEnd()
}

func TestABrokenConnectionIsMadeAgainAndWorkGoesOn(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Prefetch = 1 })
	first := acquire(w)
	p := broker.accept()
	hello := p.welcome()
	p.expectWant(2)
	p.work(1, 2)
	b := blockOf(t, first)
	p.raw.Close()
	p = broker.accept()
	again := p.welcome(pair{"held", []int{1, 2}})
	if again.uint("session", 0) != hello.uint("session", 0) || again.uint("greeting", 0) != 2 ||
		again.uint("worker", 0) != 7 || again.text("job", "") != "job-1" {
		t.Error(again.table.values)
	}
	if held := p.heldBy(again); !reflect.DeepEqual(held, []uint64{1, 2}) {
		t.Error(held)
	}
	if b.Context().Err() != nil {
		t.Error("the block's context has ended")
	}
	b.Complete()
	p.expectResult(1, "completed")
	if second := blockOf(t, acquire(w)); second.Lease != 2 {
		t.Error(second.Lease)
	}
}

func TestALeaseThatTheWelcomeDoesNotListIsLost(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(nil)
	first := acquire(w)
	p := broker.accept()
	p.welcome()
	p.expectWant(1)
	p.work(1)
	b := blockOf(t, first)
	p.raw.Close()
	p = broker.accept()
	p.welcome()
	waitFor(t, b.Context().Done(), "the block's context has ended")
	b.Complete() // says nothing
	second := acquire(w)
	p.expectWant(1)
	p.work(2)
	blockOf(t, second).Complete()
	p.expectResult(2, "completed")
}

func TestADrainedWorkerFinishesItsBlockAndReturnsTheOthers(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Prefetch = 2 })
	first := acquire(w)
	p := broker.accept()
	p.welcome()
	p.expectWant(3)
	p.work(1, 2)
	b := blockOf(t, first)
	p.send("drain", pairs{{"reason", "fewer workers are wanted"}})
	p.expectResult(2, "returned")
	p.work(3) // was on its way
	p.expectResult(3, "returned")
	b.Complete()
	p.expectResult(1, "completed")
	p.expect("bye")
	if got := outcomeOf(t, acquire(w)); got.err != ErrDone {
		t.Error(got.err)
	}
}

func TestLeaveStopsWork(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(nil)
	first := acquire(w)
	p := broker.accept()
	p.welcome()
	p.expectWant(1)
	p.work(1)
	b := blockOf(t, first)
	p.send("leave", pairs{{"reason", "the job was cancelled"}})
	waitFor(t, b.Context().Done(), "the block's context has ended")
	b.Complete()
	p.expect("bye") // and no release
}

func TestOneHelloAnswersAllHelloFirst(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(nil)
	acquire(w)
	p := broker.accept()
	p.welcome()
	p.expectWant(1)
	for i := 0; i < 3; i++ {
		p.send("error", pairs{{"code", "hello_first"}})
	}
	if hello := p.welcome(); hello.uint("greeting", 0) != 2 {
		t.Error(hello.table.values)
	}
	p.expectWant(1)
}

func TestAWorkerThatWasGivenUpBeginsAnew(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(nil)
	first := acquire(w)
	p := broker.accept()
	hello := p.welcome()
	p.expectWant(1)
	p.work(1)
	b := blockOf(t, first)
	p.send("error", pairs{{"code", "unknown_worker"}})
	p.send("error", pairs{{"code", "unknown_worker"}}) // to another message
	again := p.welcome()
	waitFor(t, b.Context().Done(), "the block's context has ended")
	b.Complete()
	next := acquire(w)
	p.expectWant(1)
	p.work(2)
	if b := blockOf(t, next); b.Lease != 2 {
		t.Error(b.Lease)
	}
	if again.uint("worker", 9) != 0 || again.uint("greeting", 0) != 1 || len(p.heldBy(again)) != 0 ||
		again.uint("session", 0) == hello.uint("session", 0) {
		t.Error(again.table.values)
	}
}

func TestAWorkerWhosePlaceIsGoneEnds(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Worker = 7 })
	first := acquire(w)
	p := broker.accept()
	p.welcome()
	p.expectWant(1)
	p.send("error", pairs{{"code", "unknown_worker"}, {"message", "no worker 7"}})
	expectCode(t, outcomeOf(t, first).err, CodeUnknownWorker, "no worker 7")
}

func expectCode(t *testing.T, err error, code, part string) {
	t.Helper()
	var got *Error
	if !errors.As(err, &got) || got.Code != code || !strings.Contains(got.Message, part) {
		t.Errorf("%v, expected %s with %q", err, code, part)
	}
}

func TestARefusedHelloEndsTheWorker(t *testing.T) {
	for _, code := range []string{"unauthorized", "unknown_job", "limit", "storage", "something_new"} {
		broker := newFakeBroker(t)
		first := acquire(broker.worker(nil))
		p := broker.accept()
		p.expect("hello")
		p.send("error", pairs{{"code", code}, {"message", "not you"}})
		expectCode(t, outcomeOf(t, first).err, code, "not you")
	}
}

func TestALaterErrorIsReportedAndWorkGoesOn(t *testing.T) {
	notices := make(chan string, 1)
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Notice = func(text string) { notices <- text } })
	first := acquire(w)
	p := broker.accept()
	p.welcome()
	p.expectWant(1)
	p.send("error", pairs{{"code", "storage"}, {"message", "the disk is full"}})
	p.send("reticulate", nil)
	p.work(1)
	blockOf(t, first)
	if text := <-notices; !strings.Contains(text, "the disk is full") {
		t.Error(text)
	}
}

func TestAnotherVersionEndsTheWorker(t *testing.T) {
	broker := newFakeBroker(t)
	first := acquire(broker.worker(nil))
	p := broker.accept()
	p.expect("hello")
	p.send("welcome", pairs{{"version", 2}})
	expectCode(t, outcomeOf(t, first).err, CodeVersion, "version 2")
}

func TestASilentBrokerIsAskedAndThenTheConnectionIsMadeAgain(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.PingInterval = 40 * time.Millisecond })
	acquire(w)
	p := broker.accept()
	if kinds := p.kindsUntilEnd(); kinds != "hello hello" { // the first may be lost
		t.Error(kinds)
	}
	p = broker.accept()
	p.welcome()
	// On a busy machine a second hello was on its way.
	if kinds := strings.TrimPrefix(p.kindsUntilEnd(), "hello "); kinds != "release ping" {
		t.Error(kinds)
	}
	broker.accept()
}

func TestWithoutABrokerAcquireSaysSo(t *testing.T) {
	w, err := NewWorker(Options{Access: Access{Endpoint: "ipc:///tmp/no/such/socket"},
		ConnectTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_, err = w.Acquire(context.Background())
	expectCode(t, err, CodeNoBroker, "no such file or directory")
}

func TestAWorkerThatStopsTakesItsRequestBack(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(nil)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, err := w.Acquire(ctx)
		result <- err
	}()
	p := broker.accept()
	p.welcome()
	p.expectWant(1)
	cancel()
	if err := <-result; err != context.Canceled {
		t.Error(err)
	}
	go w.Close()
	if held := p.heldBy(p.expect("hello")); len(held) != 0 {
		t.Error(held)
	}
	p.expect("bye")
}

func TestCloseReturnsTheBlockAndTheStock(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Prefetch = 1 })
	first := acquire(w)
	p := broker.accept()
	p.welcome()
	p.expectWant(2)
	p.work(1, 2)
	blockOf(t, first)
	go w.Close()
	p.expectResult(1, "returned")
	p.expectResult(2, "returned")
	p.expect("bye")
}

func TestALimitMakesItAskForLess(t *testing.T) {
	broker := newFakeBroker(t)
	acquire(broker.worker(func(o *Options) { o.Prefetch = 1000 }))
	p := broker.accept()
	p.welcome()
	p.expectWant(1001)
	p.send("error", pairs{{"code", "limit"}, {"message", "at most 1,024"}})
	p.welcome()
	p.expectWant(1)
}
