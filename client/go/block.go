package bellis

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// errorBytesMax is how long the text of a failed block may be.
const errorBytesMax = 16 << 10

// Block is a block that this worker works on. Hand it in once: by Complete, Fail or Return.
type Block struct {
	Task    string
	ID      int64  // the number that users see; with the task it names the block
	Index   uint64 // its row-major rank in the task's grid
	Attempt uint32 // 1 for the first
	Lease   uint64 // names this hand-out, and only grows: a fencing token for a storage
	Read    Roi    // what to read, in world units
	Write   Roi    // what to write, in world units
	Duty    string // work; for checkers check or post_check

	worker *Worker
	ctx    context.Context
	cancel context.CancelFunc
	begun  time.Time
	isLost bool // another has it, or nobody; guarded by the worker's mutex
}

// Context ends when work on the block is to stop: the block is not this worker's any more, the
// context given to Acquire has ended, or this process is about to be killed since the broker does
// not answer.
func (b *Block) Context() context.Context { return b.ctx }

// Complete hands the block in as done; a checker answers yes by it. Does nothing for a block that is
// handed in, or is not this worker's any more.
func (b *Block) Complete() { b.worker.handIn(b, result{status: "completed"}, false) }

// Fail hands the block in as failed. It is tried again if the task has attempts left. A checker
// answers no by it, with ErrNo or nil, or that it could not find out, with another error. A text
// longer than 16 KiB loses its middle.
func (b *Block) Fail(err error) { b.worker.handIn(b, failed(err), false) }

// Return hands the block back as it was, without an attempt, because it was not started or was
// broken off for a reason that is not its own.
func (b *Block) Return() { b.worker.handIn(b, result{status: "returned"}, false) }

// result is how a block ended. What it belongs to follows.
type result struct {
	status, text string
	held         heldLease
}

// heldLease is what a hello says of a lease.
type heldLease struct {
	lease, index uint64
	attempt      uint32
}

func (h heldLease) pairs() pairs {
	return pairs{{"lease", h.lease}, {"index", h.index}, {"attempt", h.attempt}}
}

func (r result) pairs() pairs {
	made := pairs{{"lease", r.held.lease}, {"status", r.status}}
	if r.text != "" {
		made = append(made, pair{"error", r.text})
	}
	return made
}

func failed(err error) result {
	text := ""
	if err != nil && err != ErrNo {
		text = cut(err.Error())
	}
	return result{status: "failed", text: text}
}

// cut makes a text one that a broker takes: UTF-8, with its middle left out if it is too long.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= errorBytesMax {
		return text
	}
	const half = errorBytesMax/2 - 8
	return strings.ToValidUTF8(text[:half], "") + "\n...\n" + strings.ToValidUTF8(text[len(text)-half:], "")
}

// panicked is the error of a block whose function has panicked.
type panicked struct {
	value any
	stack []byte
}

func (p panicked) Error() string { return fmt.Sprintf("panic: %v\n\n%s", p.value, p.stack) }
