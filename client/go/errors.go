package bellis

import (
	"errors"
	"fmt"
)

// Codes of Error. The broker may have others: see the protocol's MESSAGES.md, "Errors".
const (
	CodeBadMessage        = "bad_message"
	CodeUnknownKind       = "unknown_kind"
	CodeTooLarge          = "too_large"
	CodeVersion           = "version"
	CodeUnauthorized      = "unauthorized"
	CodeHelloFirst        = "hello_first"
	CodeWrongRole         = "wrong_role"
	CodeInvalidSpec       = "invalid_spec"
	CodeUnknownJob        = "unknown_job"
	CodeUnknownTask       = "unknown_task"
	CodeUnknownWorker     = "unknown_worker"
	CodeLimit             = "limit"
	CodeShuttingDown      = "shutting_down"
	CodeDifferentLayout   = "different_layout"
	CodeDifferentPrograms = "different_programs"
	CodeWorkerAlive       = "worker_alive"
	CodeStorage           = "storage"
	// CodeNoBroker is this package's own: no broker answers at the endpoint.
	CodeNoBroker = "no_broker"
	// CodeEnvironment is this package's own: a setting is missing, or is none that is accepted.
	CodeEnvironment = "environment"
)

// Error says that the broker refuses something, that it does not answer (CodeNoBroker), or that a
// setting is wrong (CodeEnvironment). Find it with errors.As.
type Error struct {
	Code    string // one of the codes above, or one that only the broker knows
	Message string // one sentence: the field, the value, and what is accepted
}

func (e *Error) Error() string { return "bellis: " + e.Message + " (" + e.Code + ")" }

var (
	// ErrDone is what Worker.Acquire returns when the broker has no more blocks for this worker.
	ErrDone = errors.New("bellis: the broker has no more blocks for this worker")
	// ErrStopped is what Work returns when a signal or the end of a context has stopped it.
	ErrStopped = errors.New("bellis: the worker was stopped")
	// ErrNo is a checker's answer that its block is not done, or not right.
	ErrNo = errors.New("no")
)

func environmentError(format string, values ...any) *Error {
	return &Error{CodeEnvironment, fmt.Sprintf(format, values...)}
}

// badMessage says which field of a message is not as the protocol says.
func badMessage(format string, values ...any) *Error {
	return &Error{CodeBadMessage, fmt.Sprintf(format, values...)}
}
