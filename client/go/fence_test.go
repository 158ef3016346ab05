package bellis

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const fencedLease = 5 * time.Second

// TestMain is also the program of a worker that does not end, for the tests of the fence.
func TestMain(m *testing.M) {
	if os.Getenv("BELLIS_TEST_FENCED") != "" {
		_, err := Work(func(_ context.Context, block *Block) error {
			if os.Getenv("BELLIS_TEST_CHILDLESS") != "" {
				fmt.Println(0)
				for {
				}
			}
			child := exec.Command("sleep", "1000")
			if err := child.Start(); err != nil {
				return err
			}
			for !knowsOfChildren(block.worker.fence) {
				time.Sleep(time.Millisecond)
			}
			fmt.Println(child.Process.Pid)
			for { // takes no notice of its context
			}
		})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func knowsOfChildren(f *fence) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.parent
}

// fenced starts a process that works on a block of a broker with this lease, and returns the time
// after which its last lease was surely over, the process, and its child.
func fenced(t *testing.T, env ...string) (p *peer, over time.Duration, worker *exec.Cmd, child int) {
	t.Helper()
	broker := newFakeBroker(t)
	worker = exec.Command(os.Args[0])
	worker.Env = append(append(os.Environ(), env...), "BELLIS_TEST_FENCED=1", "BELLIS_ENDPOINT="+broker.endpoint,
		"BELLIS_HEARTBEAT_MS=1000", "BELLIS_PREFETCH=0")
	worker.Stderr = os.Stderr
	out, err := worker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = worker.Process.Kill(); _ = worker.Wait() })
	p = broker.accept()
	p.welcome(pair{"lease_ms", fencedLease.Milliseconds()}, pair{"heartbeat_ms", 1000})
	over = bootTime() + fencedLease // no later than the welcome was answered
	p.expectWant(1)
	p.work(1)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err = strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if child != 0 {
		t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) })
	}
	return p, over, worker, child
}

// waitKilled waits for the process, which must end by SIGKILL.
func waitKilled(t *testing.T, worker *exec.Cmd) {
	t.Helper()
	_ = worker.Wait()
	status := worker.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatal("it was not killed:", worker.ProcessState)
	}
}

func TestAWorkerThatIsCutOffIsKilledBeforeItsLeaseEnds(t *testing.T) {
	t.Parallel()
	_, over, worker, child := fenced(t)
	waitKilled(t, worker) // by nobody but itself
	if now := bootTime(); now >= over+hang {
		t.Errorf("it was killed %v after its lease", now-over)
	}
	expectGone(t, child)
}

func TestAStoppedProcessWithoutChildrenIsKilledByTheKernel(t *testing.T) {
	t.Parallel()
	_, _, worker, _ := fenced(t, "BELLIS_TEST_CHILDLESS=1")
	if err := worker.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitKilled(t, worker)
}

func TestAStoppedProcessThatGoesOnAfterItsLeaseEndsItsChildren(t *testing.T) {
	t.Parallel()
	_, over, worker, child := fenced(t)
	if err := worker.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for bootTime() < over {
		time.Sleep(10 * time.Millisecond)
	}
	if err := worker.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	waitKilled(t, worker)
	expectGone(t, child)
}

func TestPongsKeepABusyWorkerAlive(t *testing.T) {
	t.Parallel()
	p, over, worker, _ := fenced(t)
	for bootTime() < over {
		nonce := p.expect("ping").uint("nonce", 0)
		p.send("pong", pairs{{"nonce", nonce}})
	}
	if worker.Process.Signal(syscall.Signal(0)) != nil {
		t.Error("it was killed")
	}
}

// expectGone waits for the end of a process that is not ours.
func expectGone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(hang); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(text), ") Z ") {
			return
		}
	}
	t.Error("the child process lives")
}

func TestTheLimitStaysWhenTheBlockIsLost(t *testing.T) {
	f, err := newFence()
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	extend := func(hours time.Duration) { f.extend(0, bootTime()+hours*time.Hour) }
	extend(1)
	if !f.begin(func() {}) {
		t.Fatal("the leases have not ended")
	}
	first := f.limit
	extend(2)
	second := f.limit
	f.freeze()
	extend(3)
	if second <= first || f.limit != second {
		t.Error("pongs extend the limit until the block is lost")
	}
	f.end()
	extend(4)
	if !f.begin(func() {}) || f.limit <= second {
		t.Error("the next block has its own limit")
	}
}

func TestAWelcomeThatComesTooLateIsFollowedByAPing(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Heartbeat = time.Second })
	first := acquire(w)
	p := broker.accept()
	p.expect("hello")
	time.Sleep(205 * time.Millisecond) // a lease of 200 ms from the hello on is surely over
	p.send("welcome", pairs{{"worker", 7}, {"lease_ms", 200}, {"heartbeat_ms", 50}})
	for { // pongs that are too late, too, are followed by pings
		kind, fields := p.receive()
		if kind == "acquire" {
			break
		}
		if kind != "ping" {
			t.Fatal(kind, fields.table.values)
		}
		p.send("pong", pairs{{"nonce", fields.uint("nonce", 0)}})
	}
	p.send("leave", nil)
	if got := outcomeOf(t, first); got.err != ErrDone {
		t.Error(got.err)
	}
}

func TestNoBlockBeginsWhenTheLeasesHaveEnded(t *testing.T) {
	broker := newFakeBroker(t)
	w := broker.worker(func(o *Options) { o.Heartbeat = time.Hour; o.Prefetch = 0 })
	first := acquire(w)
	p := broker.accept()
	p.welcome(pair{"lease_ms", 10_000}, pair{"heartbeat_ms", 3600000})
	p.expectWant(1)
	w.fence.mutex.Lock()
	w.fence.deadline = bootTime()
	w.fence.mutex.Unlock()
	p.work(1)
	// The worker says hello, with nothing in hand, for want of a block or of a lease.
	if held := p.heldBy(p.welcome(pair{"lease_ms", 60_000}, pair{"heartbeat_ms", 3600000})); len(held) != 0 {
		t.Error(held)
	}
	p.expectWant(1)
	p.work(2)
	if b := blockOf(t, first); b.Lease != 2 {
		t.Error(b.Lease)
	}
}

func TestLeasesLastWithAMargin(t *testing.T) {
	if got := sureUntil(time.Second, 20*time.Second); got != time.Second+19300*time.Millisecond {
		t.Error(got)
	}
	if got := sureUntil(0, time.Second); got != 890*time.Millisecond {
		t.Error(got)
	}
}
