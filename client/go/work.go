package bellis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Function works on one block. An error or a panic fails the block, and the worker goes on. `ctx`
// ends when work is to stop: then an error returns the block as it was. For a checker (Block.Duty),
// nil is the answer yes, and ErrNo the answer no.
type Function func(ctx context.Context, block *Block) error

// Work makes a worker with OptionsFromEnvironment, and calls `function` with one block after the
// other until the broker has no more. It returns how many blocks were handed in as completed or
// failed.
//
// SIGINT and SIGTERM end the block's context; when `function` has returned, blocks go back, and Work
// returns ErrStopped. A second signal ends the process at once.
func Work(function Function) (blocks int, err error) {
	options, err := OptionsFromEnvironment()
	if err != nil {
		return 0, err
	}
	return WorkWith(context.Background(), options, function)
}

// WorkWith is Work with these options. The end of `ctx` stops it like a signal.
func WorkWith(ctx context.Context, options Options, function Function) (blocks int, err error) {
	w, err := NewWorker(options)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	ctx, stopListening := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stopListening()
	go func() {
		<-ctx.Done()
		stopListening() // so that a second signal ends the process
	}()
	for {
		block, err := w.Acquire(ctx)
		switch {
		case errors.Is(err, ErrDone):
			return blocks, nil
		case err != nil && ctx.Err() != nil:
			return blocks, ErrStopped
		case err != nil:
			return blocks, err
		}
		err = call(function, block)
		switch {
		case err == nil:
			w.handIn(block, result{status: "completed"}, ctx.Err() == nil)
		case block.ctx.Err() != nil:
			w.handIn(block, result{status: "returned"}, false)
			continue
		default:
			if err != ErrNo {
				w.options.Notice(fmt.Sprintf("block %d of %s has failed: %v", block.ID, block.Task, cut(err.Error())))
			}
			w.handIn(block, failed(err), true)
		}
		blocks++
	}
}

// call calls `function`, and makes an error of its panic.
func call(function Function, block *Block) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = panicked{value, debug.Stack()}
		}
	}()
	return function(block.ctx, block)
}
