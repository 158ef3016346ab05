package bellis

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	clockBoottime = 7
	timerAbsolute = 1
)

// bootTime reads a clock that does not stand still while the machine sleeps.
func bootTime() time.Duration {
	var now syscall.Timespec
	_, _, failed := syscall.Syscall(
		syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&now)), 0)
	if failed != 0 {
		panic("bellis: this kernel has no CLOCK_BOOTTIME: " + failed.Error())
	}
	return time.Duration(now.Nano())
}

// machine names the kernel and the pid namespace: WORKERS.md, "Machine".
func machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + ":" + namespace
}

// isOurs says whether a file belongs to this user.
func isOurs(path string) bool {
	var state syscall.Stat_t
	return syscall.Stat(path, &state) == nil && int(state.Uid) == os.Getuid()
}

// killTimer is a timer of the kernel that kills this process, also while it is stopped, or busy
// with something that does not let goroutines run.
type killTimer struct{ id int32 }

func newKillTimer() (*killTimer, error) {
	// struct sigevent: the value, the signal, how to notify (0: by the signal).
	event := struct {
		value        uint64
		signal, kind int32
		_            [48]byte
	}{signal: int32(syscall.SIGKILL)}
	var timer killTimer
	_, _, failed := syscall.Syscall(syscall.SYS_TIMER_CREATE, clockBoottime,
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timer.id)))
	if failed != 0 {
		return nil, failed
	}
	return &timer, nil
}

// set kills at `at`, by bootTime; 0: never.
func (t *killTimer) set(at time.Duration) {
	spec := [2]syscall.Timespec{{}, syscall.NsecToTimespec(int64(at))} // no interval
	syscall.Syscall6(syscall.SYS_TIMER_SETTIME, uintptr(t.id), timerAbsolute,
		uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
}

func (t *killTimer) delete() { syscall.Syscall(syscall.SYS_TIMER_DELETE, uintptr(t.id), 0, 0) }

// killChildren kills all processes that this one has started, and theirs.
func killChildren() {
	for found := childrenOf(os.Getpid()); len(found) > 0; found = found[1:] {
		// A process that is stopped starts no other.
		_ = syscall.Kill(found[0], syscall.SIGSTOP)
		found = append(found, childrenOf(found[0])...)
		_ = syscall.Kill(found[0], syscall.SIGKILL)
	}
}

func childrenOf(pid int) []int {
	var children []int
	lists, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/[0-9]*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// killProcess ends this process at once, and its process group, if it leads one.
func killProcess() {
	if pid := os.Getpid(); syscall.Getpgrp() == pid {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}
