package bellis

import (
	"fmt"
	"time"
)

// stoppedMin is how long a process that does not tick was stopped, or its machine asleep.
const stoppedMin = 2 * time.Second

func (s *session) onUp(l *link) {
	if s.isOver || s.failure != nil {
		l.close()
		return
	}
	s.link = l
	s.helloSent = 0
	s.quiet, s.asked = bootTime(), 0
	s.hello()
}

func (s *session) onDown(err error) {
	s.link = nil
	s.isWelcome = false
	s.credit = 0
	s.pings = nil
	s.trouble = err
}

// onTick does what is due at `now`.
func (s *session) onTick(now time.Duration) {
	if gap := now - s.lastTick; s.lastTick != 0 && gap > stoppedMin {
		s.heard += gap // that time does not count
		s.quiet += gap
	}
	s.lastTick = now
	if s.isOver || s.failure != nil {
		return
	}
	limit := s.worker.options.ConnectTimeout
	if s.wasWelcome {
		limit = s.worker.options.LostTimeout
	}
	if s.isWaiting && now-s.heard >= limit {
		s.failNoBroker(limit)
		return
	}
	if s.link != nil {
		s.watchSilence(now)
	}
	if s.isWelcome && s.beat > 0 && now-s.lastPing >= s.beat*3/4 {
		s.ping()
	}
	if s.isWelcome && !s.isLate && s.current == nil && s.worker.fence != nil && s.worker.fence.isOver() {
		s.stock = nil
		s.hello() // all leases have ended, and nothing is worked on
	}
}

// watchSilence asks a silent broker for a sign, and opens the connection again.
func (s *session) watchSilence(now time.Duration) {
	every := s.worker.options.PingInterval
	switch {
	case s.asked != 0 && now-s.asked >= every:
		s.quiet, s.asked = now, 0
		s.link.close() // the keeper opens another
	case s.asked == 0 && now-s.quiet >= every:
		s.asked = now
		if s.isWelcome {
			s.ping()
		} else {
			s.hello()
		}
	}
}

func (s *session) onMessage(message any) {
	s.quiet, s.asked = s.heard, 0
	if s.isOver || s.failure != nil {
		return
	}
	switch m := message.(type) {
	case welcome:
		if !s.isWelcome {
			s.onWelcome(m)
		}
	case work:
		s.onWork(m)
	case recall:
		s.onRecall(m.Keep)
	case committed:
		s.forget(m.Leases)
		s.forget(m.Dropped)
		if s.isWaiting && s.isWelcome && len(s.stock) == 0 {
			s.ask() // it may have had too many results
		}
	case pong:
		if sent, found := s.pings[m.Nonce]; found {
			delete(s.pings, m.Nonce)
			s.extend(sent)
			s.onPong()
		}
	case drain:
		s.onDrain(m.Reason)
	case leave:
		s.onLeave(m.Reason)
	case refusal:
		s.onRefusal(m)
	}
}

// extend says that what was sent at `sent` renews the leases.
func (s *session) extend(sent time.Duration) {
	if s.worker.fence != nil && s.lease > 0 {
		s.worker.fence.extend(sent, s.lease)
	}
}

func (s *session) leasesAreOver() bool {
	return s.lease > 0 && s.worker.fence != nil && s.worker.fence.isOver()
}

// onPong asks for blocks, if the welcome was too late for that, or pings again.
func (s *session) onPong() {
	if !s.isLate {
		return
	}
	if s.isLate = s.leasesAreOver(); s.isLate {
		s.ping()
	} else if s.isWaiting && len(s.stock) == 0 {
		s.ask()
	}
}

func (s *session) onWelcome(m welcome) {
	if m.Version != 1 {
		s.fail(&Error{CodeVersion, fmt.Sprintf(
			"the broker speaks version %d of the protocol; this package speaks 1", m.Version)})
		return
	}
	s.number, s.job, s.task, s.slot, s.duty = m.Worker, m.Job, m.Task, m.Slot, m.Duty
	s.lease = time.Duration(m.LeaseMs) * time.Millisecond
	s.beat = time.Duration(m.HeartbeatMs) * time.Millisecond
	s.isDurable = m.Durable
	if m.Prefetch != nil && s.worker.options.Prefetch == PrefetchTask {
		s.rule = newStockRule(int(*m.Prefetch))
	}
	s.isWelcome, s.wasWelcome, s.isAnew = true, true, false
	s.lastPing = s.helloSent
	s.keepOnly(m.Held)
	s.extend(s.helloSent)
	s.helloSent = 0
	if s.isLate = s.leasesAreOver(); s.isLate {
		s.ping()
	}
	if s.isDraining {
		s.returnAll(s.stock)
		s.stock = nil
	}
	want := 0
	if s.isWaiting {
		want = s.wanted(true)
	}
	s.handAgain(want)
	if !s.isDurable && s.isWelcome {
		s.results = nil
	}
	if s.isDraining && s.current == nil {
		s.sayBye(s.reason)
	}
}

// keepOnly goes on with the leases that are still this worker's, and forgets all others.
func (s *session) keepOnly(leases []uint64) {
	held := map[uint64]bool{}
	for _, lease := range leases {
		held[lease] = true
	}
	if s.current != nil && !held[s.current.Lease] {
		s.lose()
	}
	var stock []leasedBlock
	for _, block := range s.stock {
		if held[block.Lease] {
			stock = append(stock, block)
		}
	}
	var results []result
	for _, each := range s.results {
		if held[each.held.lease] {
			results = append(results, each)
		}
	}
	s.stock, s.results = stock, results
}

func (s *session) forget(leases []uint64) {
	named := map[uint64]bool{}
	for _, lease := range leases {
		named[lease] = true
	}
	kept := s.results[:0]
	for _, each := range s.results {
		if !named[each.held.lease] {
			kept = append(kept, each)
		}
	}
	s.results = kept
}

func (s *session) onWork(m work) {
	if !s.isWelcome {
		return // the hello took these back
	}
	if s.credit -= len(m.Blocks); s.credit < 0 {
		s.credit = 0
	}
	if s.isDraining || s.isLeaving || s.sheds {
		s.returnAll(m.Blocks)
		return
	}
	s.stock = append(s.stock, m.Blocks...)
	s.watchStock()
}

// onRecall hands back the newest blocks that were not begun, so that `keep` are left.
func (s *session) onRecall(keep int) {
	if s.current != nil {
		keep--
	}
	if s.isWelcome && len(s.stock) > keep {
		s.returnAll(s.stock[keep:])
		s.stock = s.stock[:keep]
	}
}

func (s *session) onDrain(reason string) {
	if s.isDraining || s.isLeaving {
		return
	}
	s.isDraining, s.reason = true, reason
	if !s.isWelcome {
		return
	}
	s.returnAll(s.stock)
	s.stock, s.credit = nil, 0
	if s.current == nil {
		s.sayBye(reason)
	}
}

func (s *session) onLeave(reason string) {
	s.isLeaving, s.reason = true, reason
	s.stock = nil
	s.lose()
	if s.current == nil {
		s.sayBye(reason)
	}
}

func (s *session) onRefusal(m refusal) {
	isBusy := s.isWelcome
	switch m.Code {
	case CodeHelloFirst:
		if isBusy {
			s.hello()
		}
	case CodeUnknownWorker:
		s.onUnknownWorker(m)
	case CodeUnauthorized, CodeUnknownJob, CodeUnknownTask, CodeVersion, CodeWrongRole:
		s.fail(m.asError())
	case CodeLimit:
		if isBusy && !s.isDraining && !s.isLeaving {
			s.rule = newStockRule(0)
			s.worker.options.Notice(m.asError().Message)
			s.hello() // then it is known what was asked for
		} else if !isBusy {
			s.fail(m.asError())
		}
	default:
		if isBusy {
			s.worker.options.Notice(m.asError().Message)
		} else {
			s.fail(m.asError())
		}
	}
}

// onUnknownWorker begins anew, if this is not the number that it was given.
func (s *session) onUnknownWorker(m refusal) {
	if s.isAnew && s.greeting == 1 {
		return // several messages were refused; the hello was sent once, and may still be answered
	}
	if s.number == s.given {
		s.fail(m.asError())
		return
	}
	s.isAnew = true
	s.lose()
	s.stock, s.results = nil, nil
	s.number, s.id, s.greeting = s.given, newSessionID(), 0
	s.hello()
}
