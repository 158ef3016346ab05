package bellis

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestAResultOfABrokenConnectionIsHandedInAfterTheWelcome(t *testing.T) {
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
	hello := p.expect("hello")
	b.Complete() // before the welcome
	if held := p.heldBy(hello); !reflect.DeepEqual(held, []uint64{1}) {
		t.Error(held)
	}
	p.work(9) // from before the hello: not to be worked on
	p.send("welcome", pairs{{"worker", 7}, {"job", "job-1"}, {"task", "A"}, {"held", []int{1}}})
	p.expectResult(1, "completed")
	acquire(w)
	p.expectWant(1)
}

func TestResultsOfADurableBrokerAreKeptUntilTheyAreCommitted(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(nil)
	next := acquire(w)
	p := broker.accept()
	p.welcome(pair{"durable", true})
	for lease := uint64(1); lease <= 4; lease++ {
		p.expectWant(1)
		p.work(lease)
		blockOf(t, next).Complete()
		p.expectResult(lease, "completed")
		next = acquire(w)
	}
	p.expectWant(1)
	p.send("committed", pairs{{"leases", []int{1}}, {"dropped", []int{2}}})
	p.raw.Close()
	p = broker.accept()
	hello := p.welcome(pair{"durable", true}, pair{"held", []int{4}})
	if held := p.heldBy(hello); !reflect.DeepEqual(held, []uint64{3, 4}) {
		t.Error(held)
	}
	again := p.expectResult(4, "completed")
	if again.uint("want", 0) != 1 {
		t.Error("it does not ask again")
	}
	p.raw.Close()
	p = broker.accept()
	if held := p.heldBy(p.welcome()); !reflect.DeepEqual(held, []uint64{4}) {
		t.Error(held)
	}
}

func TestManyKeptResultsGoInSeveralMessages(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(nil)
	next := acquire(w)
	p := broker.accept()
	p.welcome(pair{"durable", true})
	const blocks = 100
	var leases []uint64
	for lease := uint64(1); lease <= blocks; lease++ {
		p.expectWant(1)
		p.work(lease)
		blockOf(t, next).Fail(errors.New(strings.Repeat("x", errorBytesMax)))
		p.expectResult(lease, "failed")
		next = acquire(w)
		leases = append(leases, lease)
	}
	p.expectWant(1)
	p.raw.Close()
	p = broker.accept()
	if held := p.heldBy(p.welcome(pair{"durable", true}, pair{"held", leases})); len(held) != blocks {
		t.Error(held)
	}
	for got, want := 0, uint64(0); got < blocks || want == 0; {
		fields := p.expect("release")
		got += len(fields.array("results"))
		want += fields.uint("want", 0)
	}
}

func TestAWorkerWithManyResultsThatAreNotStoredAsksForNoMore(t *testing.T) {
	s := session{worker: &Worker{}, results: make([]result, resultsMax)}
	if want := s.wanted(true); want != 0 {
		t.Error(want)
	}
	s.results = s.results[1:]
	if want := s.wanted(true); want != 1 {
		t.Error(want)
	}
	s.results = make([]result, resultsMax)
	largest := []pairs{}
	for range s.results {
		largest = append(largest, heldLease{1 << 62, 1 << 62, 1 << 31}.pairs())
	}
	if _, err := encode("hello", pairs{{"held", largest}}); err != nil {
		t.Error(err)
	}
}
