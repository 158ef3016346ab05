package bellis

import (
	"testing"
	"time"
)

func TestTheStockGrowsWithFastBlocksAndShrinksWithSlowOnes(t *testing.T) {
	rule := newStockRule(PrefetchAuto)
	for _, expected := range []int{1, 3, 7, 15, 31, 63, 127, 127} {
		if rule.took(time.Microsecond); rule.size != expected {
			t.Errorf("%d, expected %d", rule.size, expected)
		}
	}
	rule.rest()
	rule.took(100 * time.Microsecond)
	for i := 0; i < 5; i++ {
		rule.took(100 * time.Microsecond)
	}
	if rule.size != 10 {
		t.Error(rule.size)
	}
	if rule.took(time.Second); rule.size != 0 {
		t.Error(rule.size)
	}
	fixed := newStockRule(5)
	if fixed.took(time.Hour); fixed.size != 5 {
		t.Error(fixed.size)
	}
}

func TestTheStockGoesBackWhenABlockTakesLong(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Prefetch = PrefetchAuto })
	first := acquire(w)
	p := broker.accept()
	p.welcome()
	p.expectWant(1)
	p.work(1, 2, 3) // more than it asked for
	b := blockOf(t, first)
	returned := p.resultsOf(p.expect("release"))
	if len(returned) != 2 || returned[2] != "returned" || returned[3] != "returned" {
		t.Error(returned)
	}
	p.work(4)
	p.expectResult(4, "returned")
	b.Complete()
	p.expectResult(1, "completed")
}

func TestAStockThatNobodyAsksForGoesBack(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Prefetch = 1 })
	first := acquire(w)
	p := broker.accept()
	p.welcome()
	p.expectWant(2)
	p.work(1, 2)
	b := blockOf(t, first)
	b.Complete()
	p.expectResult(1, "completed")
	p.expectResult(2, "returned")
}

func TestARecallReturnsTheNewestBlocks(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Prefetch = PrefetchTask })
	first := acquire(w)
	p := broker.accept()
	p.welcome(pair{"prefetch", 4})
	p.expectWant(5)
	p.work(1, 2, 3, 4, 5)
	b := blockOf(t, first)
	p.send("recall", pairs{{"keep", 3}})
	returned := p.resultsOf(p.expect("release"))
	if len(returned) != 2 || returned[4] != "returned" || returned[5] != "returned" {
		t.Error(returned)
	}
	p.send("recall", nil)
	if returned := p.resultsOf(p.expect("release")); len(returned) != 2 || returned[2] != "returned" {
		t.Error(returned)
	}
	b.Complete()
	p.expectResult(1, "completed")
}
