//go:build !linux

package bellis

import (
	"os"
	"time"
)

var started = time.Now()

func bootTime() time.Duration { return time.Since(started) + time.Second }
func machine() string         { return "" }
func isOurs(string) bool      { return true }

// killTimer does nothing here: the fence's goroutine alone ends the process.
type killTimer struct{}

func newKillTimer() (*killTimer, error)  { return &killTimer{}, nil }
func (t *killTimer) set(_ time.Duration) {}
func (t *killTimer) delete()             {}

func childrenOf(int) []int { return nil }
func killChildren()        {}

func killProcess() { os.Exit(137) }

// workPage notes nothing here.
type workPage struct{}

func openWorkPage(string) *workPage  { return &workPage{} }
func (p *workPage) note(_, _ uint64) {}
func (p *workPage) close()           {}
