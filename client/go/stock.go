package bellis

import "time"

const (
	stockMax     = 127                   // the most that is asked for in advance, unless it is fixed
	stockWorth   = time.Millisecond      // how long the stock may take to work off
	stockPatient = 20 * time.Millisecond // how long a block may take before the stock goes back
)

// stockRule says how many blocks to hold in advance (WORKERS.md, "Blocks in advance"): twice as many
// after each block, as long as they take no longer than stockWorth.
type stockRule struct {
	isFixed bool
	size    int
	mean    time.Duration // of the blocks; 0: none yet
}

func newStockRule(prefetch int) stockRule {
	if prefetch < 0 {
		return stockRule{}
	}
	return stockRule{isFixed: true, size: prefetch}
}

// took says how long a block has taken.
func (s *stockRule) took(time time.Duration) {
	if s.isFixed {
		return
	}
	if s.mean == 0 {
		s.mean = time
	}
	s.mean += (time - s.mean) / 8
	most := stockMax
	if s.mean > 0 && int(stockWorth/s.mean) < most {
		most = int(stockWorth / s.mean)
	}
	if s.size = 2*s.size + 1; s.size > most {
		s.size = most
	}
}

// rest begins again with one block at a time.
func (s *stockRule) rest() {
	if !s.isFixed {
		s.size, s.mean = 0, 0
	}
}
