package bellis

import (
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	// fenceNotice is how long before that a block's context ends.
	fenceNotice = time.Second
	// slackMax is how long before the kernel ends this process the goroutine does, so that it can end
	// child processes; or a tenth of a lease.
	slackMax = 500 * time.Millisecond
	// marginMax is how much earlier than its leases end a worker stops, or a tenth of a lease.
	marginMax = 500 * time.Millisecond
)

// fence kills this process when it still works on a block at the end of its leases. It takes no lock
// that is held while somebody waits, and does no input or output before the end.
//
// Two watch the time: a timer of the kernel, which kills this process, and a goroutine, which ends
// the block's context a second before, and kills the child processes. While there are any, the
// goroutine is alone: if this process is stopped and goes on after its lease, somebody must be left
// to kill them.
type fence struct {
	kernel *killTimer
	ended  chan struct{}

	mutex    sync.Mutex
	deadline time.Duration // by bootTime; 0: leases do not end by themselves
	slack    time.Duration
	grace    time.Duration // from the deadline to the end of the leases
	limit    time.Duration // of the block that is worked on; 0: none is
	parent   bool          // this process has child processes
	frozen   bool          // the block is not this worker's any more: its limit stays
	cancel   func()        // ends the block's context
}

func newFence() (*fence, error) {
	kernel, err := newKillTimer()
	if err != nil {
		return nil, environmentError(
			"this system has no timer for the end of leases (%v); set heartbeat 0", err)
	}
	f := &fence{kernel: kernel, ended: make(chan struct{})}
	go f.watch()
	return f, nil
}

// sureUntil says until when leases surely last: something that was sent at `sent` was answered, and
// renews leases for `lease`. Clocks may differ by 1 %.
func sureUntil(sent, lease time.Duration) time.Duration {
	return sent + lease - lease/100 - tenth(lease, marginMax)
}

func tenth(lease, most time.Duration) time.Duration {
	if lease/10 < most {
		return lease / 10
	}
	return most
}

// extend says that what was sent at `sent` renews leases for `lease`.
func (f *fence) extend(sent, lease time.Duration) {
	until := sureUntil(sent, lease)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.slack, f.grace = tenth(lease, slackMax), tenth(lease, marginMax)
	if until <= f.deadline {
		return
	}
	f.deadline = until
	if f.limit != 0 && !f.frozen {
		f.limit = until
		f.arm()
	}
}

// begin says that work on a block begins. False: the leases have ended, and it must not.
func (f *fence) begin(cancel func()) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.deadline == 0 {
		return true
	}
	if bootTime() >= f.deadline {
		return false
	}
	f.limit, f.frozen, f.cancel = f.deadline, false, cancel
	f.arm()
	return true
}

// arm sets the kernel's timer.
func (f *fence) arm() {
	if f.limit != 0 && !f.parent {
		f.kernel.set(f.limit)
	} else {
		f.kernel.set(0)
	}
}

// end says that nothing is worked on.
func (f *fence) end() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.limit != 0 {
		f.limit, f.cancel = 0, nil
		f.arm()
	}
}

// freeze says that the block that is worked on is this worker's no more: no answer of the broker is
// about its lease.
func (f *fence) freeze() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.frozen = true
}

// isOver says whether the leases have ended.
func (f *fence) isOver() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.deadline != 0 && bootTime() >= f.deadline
}

// close ends the goroutine. Nothing may be worked on.
func (f *fence) close() {
	f.end()
	close(f.ended)
	f.kernel.delete()
}

func (f *fence) watch() {
	for {
		parent := len(childrenOf(os.Getpid())) > 0
		f.mutex.Lock()
		if parent != f.parent {
			f.parent = parent
			f.arm()
		}
		pause := f.look()
		f.mutex.Unlock()
		select {
		case <-f.ended:
			return
		case <-time.After(pause):
		}
	}
}

// look does what is due, and returns when to look again.
func (f *fence) look() time.Duration {
	const often, seldom = 20 * time.Millisecond, 250 * time.Millisecond
	now := bootTime()
	if f.limit != 0 {
		if now >= f.limit-f.slack-fenceNotice && f.cancel != nil {
			f.cancel()
			f.cancel = nil
		}
		if now >= f.limit-f.slack {
			f.kernel.set(now + f.slack + f.grace) // by then surely
			killChildren()
			fmt.Fprintln(os.Stderr, "bellis: the broker has not answered for the time of a lease: "+
				"this process ends, before another worker gets its block")
			killProcess()
		}
	}
	pause := f.deadline - f.slack - fenceNotice - now
	if f.limit != 0 {
		pause = f.limit - f.slack - fenceNotice - now
	}
	if pause < often {
		pause = often
	}
	if pause > seldom || f.deadline != 0 && now >= f.deadline && f.limit == 0 {
		pause = seldom
	}
	return pause
}
