package bellis

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
)

const (
	// PrefetchAuto asks for as many blocks in advance as take about a millisecond.
	PrefetchAuto = -1
	// PrefetchTask does what the task says, or else what PrefetchAuto does.
	PrefetchTask = -2
	// PrefetchMax is the most that Options.Prefetch may be.
	PrefetchMax = 1023

	heartbeatMax = time.Hour
	timeoutMax   = 24 * time.Hour
)

// Options say how a worker connects, and to which broker. OptionsFromEnvironment makes them as a
// launcher has set them. A zero value of a time means what is said of it.
type Options struct {
	Access
	Job      string // empty: the only running job
	Task     string // empty: the only task of the job
	Worker   uint64 // its number, from a launcher; 0: the broker gives one
	Duty     string // work, check or post_check; empty: work
	WorkPage string // where it notes its lease for its launcher: PATH:OFFSET:KEY; empty: nowhere
	// Heartbeat is how often the broker is told that this worker lives: at most an hour, whole
	// milliseconds. 0: never. Then leases last as long as the process is known to live, and a task
	// whose blocks conflict accepts only workers that a launcher has started.
	Heartbeat time.Duration
	// Prefetch is how many blocks to hold beside the one that is worked on: 0 to PrefetchMax,
	// PrefetchAuto or PrefetchTask. What PrefetchAuto holds goes back when a block takes longer.
	Prefetch int
	// ConnectTimeout is how long to wait for the broker's first answer; 0: 10 s.
	ConnectTimeout time.Duration
	// LostTimeout is how long Acquire waits without a message from the broker; 0: 300 s.
	LostTimeout time.Duration
	// PingInterval is how long the broker may be silent before it is asked for a sign; 0: 10 s. After
	// twice that time the connection is opened again.
	PingInterval time.Duration
	// Notice is called with a sentence about what the broker said or about the connection, from any
	// goroutine; it must not wait or use the worker. nil: stderr gets the sentence.
	Notice func(sentence string)
}

// OptionsFromEnvironment reads the variables that AccessFromEnvironment reads, and BELLIS_JOB,
// BELLIS_TASK, BELLIS_WORKER_ID, BELLIS_DUTY, BELLIS_WORK_PAGE, BELLIS_HEARTBEAT_MS (default 4000),
// BELLIS_PREFETCH (default: PrefetchTask), BELLIS_CONNECT_TIMEOUT and BELLIS_LOST_TIMEOUT (seconds). An empty
// variable counts as not set. Errors: CodeEnvironment, which names the variable.
func OptionsFromEnvironment() (Options, error) {
	options := Options{
		Job: os.Getenv("BELLIS_JOB"), Task: os.Getenv("BELLIS_TASK"), Duty: os.Getenv("BELLIS_DUTY"),
		WorkPage: os.Getenv("BELLIS_WORK_PAGE"), Prefetch: PrefetchTask,
	}
	var err error
	if options.Access, err = AccessFromEnvironment(); err != nil {
		return options, err
	}
	if options.Endpoint == "" {
		return options, environmentError("BELLIS_ENDPOINT is not set: start this worker by a " +
			"launcher, or set it to the broker's endpoint (ipc://PATH or tcp://HOST:PORT), or " +
			"BELLIS_ACCESS to its access file")
	}
	if options.Worker, err = numberOf("BELLIS_WORKER_ID", 0, math.MaxInt64); err != nil {
		return options, err
	}
	beat, err := numberOf("BELLIS_HEARTBEAT_MS", 4000, uint64(heartbeatMax/time.Millisecond))
	if err != nil {
		return options, err
	}
	options.Heartbeat = time.Duration(beat) * time.Millisecond
	if text := os.Getenv("BELLIS_PREFETCH"); text == "auto" {
		options.Prefetch = PrefetchAuto
	} else if text != "" {
		count, err := strconv.ParseUint(text, 10, 64)
		if err != nil || count > PrefetchMax {
			return options, environmentError(
				"BELLIS_PREFETCH is %q: expected auto, or 0 to %d", text, PrefetchMax)
		}
		options.Prefetch = int(count)
	}
	if options.ConnectTimeout, err = secondsOf("BELLIS_CONNECT_TIMEOUT"); err != nil {
		return options, err
	}
	options.LostTimeout, err = secondsOf("BELLIS_LOST_TIMEOUT")
	return options, err
}

func numberOf(name string, otherwise, most uint64) (uint64, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil || number > most {
		return 0, environmentError("%s is %q: expected an integer from 0 to %d", name, text, most)
	}
	return number, nil
}

func secondsOf(name string) (time.Duration, error) {
	text := os.Getenv(name)
	if text == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0 && seconds <= timeoutMax.Seconds()) {
		return 0, environmentError("%s is %q: expected seconds, above 0, at most 86400", name, text)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// checked fills in what is left out, and refuses what cannot be.
func (o Options) checked() (Options, error) {
	if o.Duty == "" {
		o.Duty = "work"
	}
	if o.Duty != "work" && o.Duty != "check" && o.Duty != "post_check" {
		return o, environmentError("duty (BELLIS_DUTY) is %q: expected work, check or post_check", o.Duty)
	}
	if o.Heartbeat < 0 || o.Heartbeat > heartbeatMax || o.Heartbeat%time.Millisecond != 0 {
		return o, environmentError("heartbeat is %v: expected whole milliseconds, at most an hour", o.Heartbeat)
	}
	if o.Prefetch < PrefetchTask || o.Prefetch > PrefetchMax {
		return o, environmentError("prefetch is %d: expected PrefetchAuto, PrefetchTask, or 0 to %d", o.Prefetch, PrefetchMax)
	}
	if o.Worker > math.MaxInt64 {
		return o, environmentError("worker is %d: expected 0 to 2^63-1", o.Worker)
	}
	for _, each := range []struct {
		time      *time.Duration
		otherwise time.Duration
	}{
		{&o.ConnectTimeout, 10 * time.Second}, {&o.LostTimeout, 300 * time.Second},
		{&o.PingInterval, 10 * time.Second},
	} {
		if *each.time == 0 {
			*each.time = each.otherwise
		}
		if *each.time < 0 || *each.time > timeoutMax {
			return o, environmentError("a timeout is %v: expected above 0, at most 24 h", *each.time)
		}
	}
	if o.Notice == nil {
		o.Notice = func(sentence string) { fmt.Fprintln(os.Stderr, "bellis: "+sentence) }
	}
	return o, nil
}
