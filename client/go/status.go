package bellis

// What a client hears (MESSAGES.md, "Client"). JSON names are those of the messages.

// JobStatus is how far a job is.
type JobStatus struct {
	Job         string       `json:"job"` // its id
	Name        string       `json:"name"`
	State       string       `json:"state"`        // running, completed, failed or cancelled
	Reason      string       `json:"reason"`       // why it ended, unless it completed
	ElapsedS    float64      `json:"elapsed_s"`    // seconds since submit
	User        string       `json:"user"`         // who submitted it
	Host        string       `json:"host"`         // where
	SubmittedAt uint64       `json:"submitted_at"` // seconds since 1970, by the broker's clock
	Tasks       []TaskStatus `json:"tasks"`
}

// HasEnded says whether the job runs no more.
func (s JobStatus) HasEnded() bool { return s.State != "running" }

// TaskStatus is how far a task is: numbers of blocks, unless said otherwise.
type TaskStatus struct {
	Task            string          `json:"task"`
	Blocks          uint64          `json:"blocks"`
	Masked          uint64          `json:"masked"`
	Pending         uint64          `json:"pending"`
	Ready           uint64          `json:"ready"`
	Leased          uint64          `json:"leased"`
	Completed       uint64          `json:"completed"` // with the skipped ones
	Skipped         uint64          `json:"skipped"`   // that a check found done
	Failed          uint64          `json:"failed"`
	Orphaned        uint64          `json:"orphaned"`
	Levels          uint64          `json:"levels"`           // conflict levels
	WorkersStarting uint64          `json:"workers_starting"` // workers
	WorkersLive     uint64          `json:"workers_live"`     // workers
	WorkerRestarts  uint64          `json:"worker_restarts"`  // workers that were to be replaced
	BlockMsMean     float64         `json:"block_ms_mean"`    // milliseconds
	Languages       []LanguageCount `json:"languages"`
	Failures        []Failure       `json:"failures"`       // the first 100 failed attempts
	FailuresTotal   uint64          `json:"failures_total"` // attempts
	Error           string          `json:"error"`          // why the task was given up, if it was
	LogDir          string          `json:"log_dir"`
	Paused          bool            `json:"paused"`
	Notices         []string        `json:"notices"` // what its user should hear of while it runs
}

// LanguageCount is how many blocks the workers in one language have completed.
type LanguageCount struct {
	Language    string  `json:"language"`
	Blocks      uint64  `json:"blocks"`
	BlockMsMean float64 `json:"block_ms_mean"` // milliseconds
}

// Failure is a failed attempt at a block.
type Failure struct {
	Block   int64  `json:"block"` // its id
	Index   uint64 `json:"index"`
	Attempt uint32 `json:"attempt"`
	Worker  uint64 `json:"worker"`
	Error   string `json:"error"`
}

// Explanation says why a block does not run, or why a worker is idle. Each step waits for the next.
type Explanation struct {
	Summary string `json:"summary"` // one sentence
	Steps   []Step `json:"steps"`
}

// Step is a block that another one waits for.
type Step struct {
	Task  string `json:"task"`
	Block int64  `json:"block"` // its id
	Index uint64 `json:"index"`
	State string `json:"state"`
	Why   string `json:"why"`
}

// Submitted is the answer to a submit.
type Submitted struct {
	Job     string `json:"job"`     // its id
	Resumed bool   `json:"resumed"` // a job that ran before, or still runs, goes on
	Done    uint64 `json:"done"`    // how many of its blocks were completed
	Run     string `json:"run"`     // the folder of this run in the job's log folder
}

// The answers, each with the number of its request.
type (
	answer struct {
		Req uint64 `json:"req"`
	}
	submitted struct {
		answer
		Submitted
	}
	jobs struct {
		answer
		Jobs []JobStatus `json:"jobs"`
	}
	jobAnswer struct {
		answer
		Job string `json:"job"`
	}
	cancelled jobAnswer
	retried   struct {
		jobAnswer
		Blocks uint64 `json:"blocks"`
	}
	ok        struct{ answer }
	explained struct {
		answer
		Explanation
	}
	progress struct {
		answer
		Status  JobStatus `json:"status"`
		Dropped uint64    `json:"dropped"`
	}
	ended struct {
		answer
		Status JobStatus `json:"status"`
	}
)

func (a answer) request() uint64 { return a.Req }

func readAnswer(kind string, r *record) any {
	req := answer{r.uint("req", 0)}
	switch kind {
	case "submitted":
		return submitted{req, Submitted{
			Job: r.required("job").text("job", ""), Resumed: r.bool("resumed"),
			Done: r.uint("done", 0), Run: r.text("run", ""),
		}}
	case "jobs":
		read := jobs{answer: req}
		r.each("jobs", func(j *record) { read.Jobs = append(read.Jobs, readJobStatus(j)) })
		return read
	case "cancelled":
		return cancelled{req, r.required("job").text("job", "")}
	case "retried":
		return retried{jobAnswer{req, r.required("job").text("job", "")}, r.uint("blocks", 0)}
	case "ok":
		return ok{req}
	case "explained":
		read := explained{req, Explanation{Summary: r.text("summary", "")}}
		r.each("steps", func(s *record) {
			read.Steps = append(read.Steps, Step{s.text("task", ""), s.int("block"),
				s.uint("index", 0), s.text("state", ""), s.text("why", "")})
		})
		return read
	case "progress":
		return progress{req, readStatusOf(r), r.uint("dropped", 0)}
	case "ended":
		return ended{req, readStatusOf(r)}
	}
	r.failed().err = nil // what is in a message of an unknown kind does not matter
	return nil
}

func readStatusOf(r *record) JobStatus {
	return readJobStatus(r.inner(r.place+".status", r.required("status").get("status")))
}

func readJobStatus(j *record) JobStatus {
	read := JobStatus{
		Job: j.required("job").text("job", ""), Name: j.text("name", ""),
		State: j.text("state", "running"), Reason: j.text("reason", ""),
		ElapsedS: j.float("elapsed_s"), User: j.text("user", ""), Host: j.text("host", ""),
		SubmittedAt: j.uint("submitted_at", 0),
	}
	j.each("tasks", func(t *record) { read.Tasks = append(read.Tasks, readTaskStatus(t)) })
	return read
}

func readTaskStatus(t *record) TaskStatus {
	count := func(key string) uint64 { return t.uint(key, 0) }
	read := TaskStatus{
		Task: t.required("task").text("task", ""), Blocks: count("blocks"), Masked: count("masked"),
		Pending: count("pending"), Ready: count("ready"), Leased: count("leased"),
		Completed: count("completed"), Skipped: count("skipped"), Failed: count("failed"),
		Orphaned: count("orphaned"), Levels: count("levels"),
		WorkersStarting: count("workers_starting"), WorkersLive: count("workers_live"),
		WorkerRestarts: count("worker_restarts"), BlockMsMean: t.float("block_ms_mean"),
		FailuresTotal: count("failures_total"), Error: t.text("error", ""),
		LogDir: t.text("log_dir", ""), Paused: t.bool("paused"), Notices: t.texts("notices"),
	}
	t.each("languages", func(l *record) {
		read.Languages = append(read.Languages, LanguageCount{
			l.required("language").text("language", ""), l.uint("blocks", 0), l.float("block_ms_mean")})
	})
	t.each("failures", func(f *record) {
		f.required("block")
		read.Failures = append(read.Failures, Failure{
			f.int("block"), f.uint("index", 0), f.uint32("attempt", 0), f.uint("worker", 0),
			f.text("error", "")})
	})
	return read
}
