package bellis

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// control connects a Control to a fake broker.
func (b *fakeBroker) control() (*Control, *peer) {
	b.t.Helper()
	made := make(chan *Control)
	go func() {
		c, err := NewControl(context.Background(), ControlOptions{Access: Access{Endpoint: b.endpoint, Token: "t"}})
		if err != nil {
			b.t.Error(err)
		}
		made <- c
	}()
	p := b.accept()
	hello := p.expect("hello")
	if hello.text("role", "") != "client" || hello.text("token", "") != "t" {
		b.t.Error(hello.table.values)
	}
	p.send("welcome", pairs{{"broker", "fake 1"}})
	c := <-made
	b.t.Cleanup(c.Close)
	if c.Broker() != "fake 1" {
		b.t.Error(c.Broker())
	}
	return c, p
}

// TestRequestsAreThoseOfTheVectors checks each method against the vector of its message.
func TestRequestsAreThoseOfTheVectors(t *testing.T) {
	c, p := newFakeBroker(t).control()
	ctx := context.Background()
	job := readVector(t, "submit").Message[1].(map[string]any)["job"].(map[string]any)
	job["origin"] = map[string]any{"user": "ada"}
	for kind, call := range map[string]func() error{
		"submit":       func() error { _, err := c.Submit(ctx, job); return err },
		"status":       func() error { _, err := c.Status(ctx, "smooth-1"); return err },
		"cancel":       func() error { return c.Cancel(ctx, "smooth-1", "wrong file") },
		"retry_failed": func() error { _, err := c.RetryFailed(ctx, "smooth-1"); return err },
		"pause":        func() error { return c.Pause(ctx, "smooth-1", "smooth") },
		"resume":       func() error { return c.Resume(ctx, "smooth-1", "") },
		"set_workers":  func() error { return c.SetWorkers(ctx, "smooth-1", "smooth", 0, 16) },
		"worker_gone":  func() error { return c.WorkerGone(ctx, 12) },
		"explain":      func() error { _, err := c.ExplainBlock(ctx, "smooth-1", "smooth", 7); return err },
	} {
		result := make(chan error)
		go func() { result <- call() }()
		got := p.expect(kind)
		number := got.uint("req", 0)
		expected := readVector(t, kind).Message[1].(map[string]any)
		if kind == "submit" {
			expected["job"] = job
		}
		data, err := encode(kind, pairsOf(expected))
		if err != nil {
			t.Fatal(err)
		}
		want := decoded(t, data).values
		want["req"] = int64(number)
		if kind == "resume" {
			want["task"] = ""
		}
		if !reflect.DeepEqual(got.table.values, want) {
			t.Errorf("%s: %v, expected %v", kind, got.table.values, want)
		}
		p.send("error", pairs{{"req", number}, {"code", "limit"}, {"message", "no more of " + kind}})
		expectCode(t, <-result, CodeLimit, "no more of "+kind)
	}
}

func TestAWatchGoesOnOverABrokenConnection(t *testing.T) {
	broker := newFakeBroker(t)
	c, _ := broker.control()
	seen := make(chan string, 10)
	last := make(chan JobStatus)
	go func() {
		status, err := c.Watch(context.Background(), "j", time.Second, func(s JobStatus) error {
			seen <- s.State
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		last <- status
	}()
	p := broker.accept()
	p.expect("hello")
	p.send("welcome", nil)
	watch := p.expect("watch")
	if watch.text("job", "") != "j" || watch.uint("interval_ms", 0) != 1000 {
		t.Error(watch.table.values)
	}
	p.send("progress", pairs{{"req", watch.uint("req", 0)}, {"status", pairs{{"job", "j-1"}}}})
	if state := <-seen; state != "running" {
		t.Error(state)
	}
	p.raw.Close()
	p = broker.accept()
	p.expect("hello")
	p.send("welcome", nil)
	again := p.expect("watch")
	p.send("ended", pairs{{"req", again.uint("req", 0)}, {"status", pairs{{"job", "j-1"}, {"state", "completed"}}}})
	if status := <-last; !status.HasEnded() || status.Job != "j-1" || <-seen != "completed" {
		t.Error(status)
	}
	p.expect("bye")
}

func TestASubmitIsNotSaidTwice(t *testing.T) {
	broker := newFakeBroker(t)
	c, p := broker.control()
	result := make(chan error)
	go func() {
		_, err := c.Submit(context.Background(), map[string]any{"name": "j"})
		result <- err
	}()
	fields := p.expect("submit")
	origin := fields.inner("origin", fields.get("job").(table).values["origin"])
	if origin.text("user", "") == "" || origin.text("host", "") == "" {
		t.Error(fields.get("job"))
	}
	p.raw.Close()
	p = broker.accept()
	p.expect("hello")
	p.send("welcome", nil)
	expectCode(t, <-result, CodeNoBroker, "ask for the status")
	status := make(chan error)
	go func() { _, err := c.Status(context.Background(), ""); status <- err }()
	p.send("jobs", pairs{{"req", p.expect("status").uint("req", 0)}})
	if err := <-status; err != nil {
		t.Error(err)
	}
}

func TestARefusedClientSaysWhy(t *testing.T) {
	broker := newFakeBroker(t)
	result := make(chan error)
	go func() {
		_, err := NewControl(context.Background(), ControlOptions{Access: Access{Endpoint: broker.endpoint}})
		result <- err
	}()
	p := broker.accept()
	p.expect("hello")
	p.send("error", pairs{{"code", "unauthorized"}, {"message", "which token?"}})
	expectCode(t, <-result, CodeUnauthorized, "which token?")
}

func TestANilInAJobIsNamed(t *testing.T) {
	c, _ := newFakeBroker(t).control()
	_, err := c.Submit(context.Background(), map[string]any{"tasks": []any{map[string]any{"timeout": nil}}})
	expectCode(t, err, CodeInvalidSpec, "submit.job.tasks[0].timeout is nil")
}

// TestARealBroker needs the endpoint of a broker without jobs.
func TestARealBroker(t *testing.T) {
	if os.Getenv("BELLIS_TEST_BROKER") == "" {
		t.Skip("BELLIS_TEST_BROKER is not set")
	}
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	c, err := ControlFromEnvironment(ctx)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(err)
	defer c.Close()
	if !strings.HasPrefix(c.Broker(), "bellis ") {
		t.Error(c.Broker())
	}
	job, err := JobFromJSON([]byte(`{"name": "go", "tasks": [{"task_id": "t", "total_roi": [[0], [100]],
		"read_roi": [[0], [10]], "write_roi": [[0], [10]], "timeout": 600.0, "max_retries": 0,
		"external_workers": true}]}`))
	check(err)
	submitted, err := c.Submit(ctx, job)
	check(err)
	check(c.Pause(ctx, submitted.Job, ""))
	check(c.Resume(ctx, "go", ""))
	why, err := c.ExplainBlock(ctx, "go", "t", 3)
	check(err)
	if why.Summary == "" {
		t.Error("no explanation")
	}
	all, err := c.Status(ctx, "")
	check(err)
	if len(all) != 1 || all[0].Tasks[0].Blocks != 10 || all[0].User == "" {
		t.Error(all)
	}
	_, err = c.Status(ctx, "nothing")
	expectCode(t, err, CodeUnknownJob, "nothing")
	_, err = c.Submit(ctx, map[string]any{"name": "bad", "tasks": "none"})
	expectCode(t, err, CodeInvalidSpec, "tasks")
	expectCode(t, c.SetWorkers(ctx, "go", "t", 5, 1), CodeInvalidSpec, "5")
	expectCode(t, c.WorkerGone(ctx, 12345), CodeUnknownWorker, "12345")
	workOff(ctx, t, 3)
	last, err := c.Wait(ctx, "go")
	check(err)
	if last.State != "failed" || last.Tasks[0].Completed != 9 || last.Tasks[0].Failures[0].Error != "no signal" {
		text, _ := json.Marshal(last)
		t.Error(string(text))
	}
	if blocks, err := c.RetryFailed(ctx, submitted.Job); err != nil || blocks != 1 {
		t.Error(blocks, err)
	}
	check(c.Cancel(ctx, "go", "enough"))
	last, err = c.Wait(ctx, "go")
	check(err)
	if last.State != "cancelled" {
		t.Error(last.State)
	}
}

// workOff works on all blocks; that with `fails` as its index fails.
func workOff(ctx context.Context, t *testing.T, fails uint64) {
	t.Helper()
	options, err := OptionsFromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := WorkWith(ctx, options, func(_ context.Context, b *Block) error {
		if b.Index == fails {
			return errors.New("no signal")
		}
		return nil
	})
	if err != nil || blocks != 10 {
		t.Error(blocks, err)
	}
}
