package bellis

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/user"
	"strconv"
	"time"
)

// ControlOptions say which broker a Control talks to.
type ControlOptions struct {
	// Access: without an endpoint, a broker of this user at its default place:
	// ipc://$XDG_RUNTIME_DIR/bellis/broker.sock or ipc:///tmp/bellis-UID/broker.sock.
	Access
	// ConnectTimeout is how long to wait for the broker's first answer; 0: 10 s.
	ConnectTimeout time.Duration
	// Timeout is how long a request waits for its answer, and a watch for a sign of the broker; 0:
	// 30 s.
	Timeout time.Duration
	// PingInterval is how long the broker may be silent before it is asked for a sign; 0: 10 s.
	PingInterval time.Duration
}

// Control submits, watches and steers jobs. Several goroutines may use it.
//
// Each method returns an *Error with the broker's code and text if the broker refuses, and with
// CodeNoBroker if it does not answer in time; then the request may have been carried out, or not.
// The end of a method's context ends its wait with the context's error. A job is named by its id or
// its name.
type Control struct {
	options ControlOptions
	client  *client
}

// NewControl connects to a broker, and waits for its welcome.
func NewControl(ctx context.Context, options ControlOptions) (*Control, error) {
	if options.Endpoint == "" {
		options.Endpoint = defaultEndpoint()
	}
	for _, each := range []struct {
		time      *time.Duration
		otherwise time.Duration
	}{
		{&options.ConnectTimeout, 10 * time.Second}, {&options.Timeout, 30 * time.Second},
		{&options.PingInterval, 10 * time.Second},
	} {
		if *each.time < 0 {
			return nil, environmentError("a timeout is %v: expected above 0", *each.time)
		}
		if *each.time == 0 {
			*each.time = each.otherwise
		}
	}
	made, err := newClient(ctx, options)
	if err != nil {
		return nil, err
	}
	return &Control{options, made}, nil
}

// ControlFromEnvironment is NewControl with AccessFromEnvironment.
func ControlFromEnvironment(ctx context.Context) (*Control, error) {
	access, err := AccessFromEnvironment()
	if err != nil {
		return nil, err
	}
	return NewControl(ctx, ControlOptions{Access: access})
}

// Close says bye and disconnects. No method may be called after it.
func (c *Control) Close() { c.client.close() }

// Broker is the broker's program and version.
func (c *Control) Broker() string { return c.client.brokerName() }

// JobFromJSON reads a job for Submit from JSON text, with the keys of a pipeline file. Numbers
// without a point or an exponent are integers.
func JobFromJSON(text []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var job map[string]any
	if err := decoder.Decode(&job); err != nil {
		return nil, &Error{CodeInvalidSpec, "the job is not a JSON object: " + err.Error()}
	}
	return job, nil
}

// Submit submits a job, and returns when it is on the broker's disk. `job` has the keys of a
// pipeline file (PIPELINE.md): maps with string keys, slices, strings, bools, integers and floats.
// Integers must be of an integer type. Errors: CodeInvalidSpec, CodeLimit, CodeDifferentLayout,
// CodeDifferentPrograms, CodeStorage, CodeShuttingDown; CodeTooLarge above 1 MiB. A submit is not
// sent again when the connection breaks: without a state directory that would be a second job.
func (c *Control) Submit(ctx context.Context, job map[string]any, how ...SubmitOption) (Submitted, error) {
	fields := pairs{{"job", withOrigin(job)}}
	for _, each := range how {
		fields = append(fields, pair{string(each), true})
	}
	answer, err := c.client.ask(ctx, "submit", fields)
	if err != nil {
		return Submitted{}, err
	}
	got, err := expect[submitted](answer)
	return got.Submitted, err
}

// SubmitOption changes what a submit does if there is a job of that name.
type SubmitOption string

const (
	// Fresh forgets what is stored of the job.
	Fresh SubmitOption = "fresh"
	// SamePrograms continues a stored job only if its programs are the same.
	SamePrograms SubmitOption = "same_programs"
)

// withOrigin adds who submits the job, and where.
func withOrigin(job map[string]any) map[string]any {
	if _, found := job["origin"]; found {
		return job
	}
	name := "uid " + strconv.Itoa(os.Getuid())
	if found, err := user.Current(); err == nil {
		name = found.Username
	}
	host, _ := os.Hostname()
	made := map[string]any{"origin": map[string]string{"user": name, "host": host}}
	for key, value := range job {
		made[key] = value
	}
	return made
}

// Status returns how far that job is, or, of an empty name, all jobs.
func (c *Control) Status(ctx context.Context, job string) ([]JobStatus, error) {
	answer, err := c.client.ask(ctx, "status", pairs{{"job", job}})
	if err != nil {
		return nil, err
	}
	got, err := expect[jobs](answer)
	return got.Jobs, err
}

// Cancel ends a job: no block of it is handed out any more, and its workers are told to leave.
func (c *Control) Cancel(ctx context.Context, job, reason string) error {
	answer, err := c.client.ask(ctx, "cancel", pairs{{"job", job}, {"reason", reason}})
	if err != nil {
		return err
	}
	_, err = expect[cancelled](answer)
	return err
}

// RetryFailed opens failed and orphaned blocks again, with all their attempts, and returns how many
// are open again. A job that had ended runs again. Errors: CodeStorage if the broker has no state
// directory; CodeLimit while a block is out that one of them conflicts with.
func (c *Control) RetryFailed(ctx context.Context, job string) (blocks uint64, err error) {
	answer, err := c.client.ask(ctx, "retry_failed", pairs{{"job", job}})
	if err != nil {
		return 0, err
	}
	got, err := expect[retried](answer)
	return got.Blocks, err
}

// Pause hands out no more blocks of that task, or, of an empty task, of the whole job. What is out
// goes on.
func (c *Control) Pause(ctx context.Context, job, task string) error {
	return c.steer(ctx, "pause", pairs{{"job", job}, {"task", task}})
}

// Resume ends a pause.
func (c *Control) Resume(ctx context.Context, job, task string) error {
	return c.steer(ctx, "resume", pairs{{"job", job}, {"task", task}})
}

// SetWorkers sets how many workers of the task's `group`, counted from 0, are started from now on.
// Those too many leave after their block. `task` may be empty if the job has only one.
func (c *Control) SetWorkers(ctx context.Context, job, task string, group, count uint32) error {
	return c.steer(ctx, "set_workers",
		pairs{{"job", job}, {"task", task}, {"group", group}, {"count", count}})
}

// WorkerGone says that the process of this worker has ended, which the caller vouches for. Errors:
// CodeUnknownWorker; CodeWorkerAlive if the worker is there, or its end will be known without this.
func (c *Control) WorkerGone(ctx context.Context, worker uint64) error {
	return c.steer(ctx, "worker_gone", pairs{{"worker", worker}})
}

func (c *Control) steer(ctx context.Context, kind string, fields pairs) error {
	answer, err := c.client.ask(ctx, kind, fields)
	if err != nil {
		return err
	}
	_, err = expect[ok](answer)
	return err
}

// ExplainBlock says why a block does not run, by its id. `task` may be empty if the job has only one.
func (c *Control) ExplainBlock(ctx context.Context, job, task string, block int64) (Explanation, error) {
	return c.explain(ctx, pairs{{"job", job}, {"task", task}, {"block", block}})
}

// ExplainWorker says why a worker of the job is idle.
func (c *Control) ExplainWorker(ctx context.Context, job string, worker uint64) (Explanation, error) {
	return c.explain(ctx, pairs{{"job", job}, {"worker", worker}})
}

func (c *Control) explain(ctx context.Context, fields pairs) (Explanation, error) {
	answer, err := c.client.ask(ctx, "explain", fields)
	if err != nil {
		return Explanation{}, err
	}
	got, err := expect[explained](answer)
	return got.Explanation, err
}

// Watch calls `see` with the status of a job at once, and whenever it has changed, at most every
// `interval` (20 ms to 60 s), in this goroutine. It returns the job's last status when the job has
// ended, or the error of `see`. It goes on over restarts of the broker, by a connection of its own.
func (c *Control) Watch(ctx context.Context, job string, interval time.Duration, see func(JobStatus) error) (JobStatus, error) {
	if interval < 20*time.Millisecond || interval > time.Minute {
		return JobStatus{}, &Error{CodeInvalidSpec,
			"interval is " + interval.String() + "; expected 20 ms to 60 s"}
	}
	watcher, err := newClient(ctx, c.options)
	if err != nil {
		return JobStatus{}, err
	}
	defer watcher.close()
	return watcher.watch(ctx, job, uint32(interval.Milliseconds()), see)
}

// Wait waits for the end of a job, as Watch does.
func (c *Control) Wait(ctx context.Context, job string) (JobStatus, error) {
	return c.Watch(ctx, job, time.Minute, func(JobStatus) error { return nil })
}

// expect returns an answer as what it is to be.
func expect[T any](answer any) (T, error) {
	got, isIt := answer.(T)
	if !isIt {
		return got, badMessage("the broker's answer is of another kind than the request's")
	}
	return got, nil
}
