package bellis

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const (
	pageBytes  = 4096
	pageMagic  = "BELLISWP"
	firstPlace = 2 // in words of 8 bytes: after the magic and the key
	pageWords  = pageBytes / 8
	lockOpen   = 38 // F_OFD_SETLKW: the lock is the open file's, not the process's
)

// workPage notes for a launcher which lease is worked on (WORKERS.md, "What a worker works on"). If
// this process dies, only that block counts as failed. Without a page nothing is noted.
type workPage struct {
	words  *[pageWords]uint64 // mapped; nil: there is no page
	memory []byte
	place  int // 0: not taken yet
	number uint64
}

// openWorkPage maps PATH:OFFSET:KEY, if that is what it seems to be.
func openWorkPage(text string) *workPage {
	page := &workPage{}
	fields := strings.Split(text, ":")
	if len(fields) < 3 {
		return page
	}
	path := strings.Join(fields[:len(fields)-2], ":")
	offset, err := strconv.ParseInt(fields[len(fields)-2], 10, 64)
	key, err2 := strconv.ParseUint(fields[len(fields)-1], 10, 64)
	target, err3 := os.Readlink(path)
	if err != nil || err2 != nil || err3 != nil || offset%int64(os.Getpagesize()) != 0 ||
		!strings.HasPrefix(target, "/memfd:bellis-work") {
		return page
	}
	file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return page
	}
	defer file.Close()
	if state, err := file.Stat(); err != nil || state.Size() < offset+pageBytes {
		return page
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Start: offset, Len: pageBytes}
	if syscall.FcntlFlock(file.Fd(), lockOpen, &lock) != nil {
		return page
	}
	defer func() { // the mapping would keep the lock
		lock.Type = syscall.F_UNLCK
		_ = syscall.FcntlFlock(file.Fd(), lockOpen, &lock)
	}()
	memory, err := syscall.Mmap(int(file.Fd()), offset, pageBytes,
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return page
	}
	words := (*[pageWords]uint64)(unsafe.Pointer(&memory[0]))
	if string(memory[:8]) == pageMagic && atomic.LoadUint64(&words[1]) == key {
		for place := firstPlace; place+1 < pageWords; place += 2 {
			if atomic.LoadUint64(&words[place]) == 0 {
				// Not 0, so that nobody else takes the place before the welcome brings the number.
				atomic.StoreUint64(&words[place], ^uint64(0))
				page.words, page.memory, page.place = words, memory, place
				return page
			}
		}
	}
	_ = syscall.Munmap(memory)
	return page
}

// note says that the worker works on this lease; 0: on nothing.
func (p *workPage) note(number, lease uint64) {
	if p.words == nil {
		return
	}
	if number != p.number {
		p.number = number
		atomic.StoreUint64(&p.words[p.place+1], 0)
		atomic.StoreUint64(&p.words[p.place], number)
	}
	atomic.StoreUint64(&p.words[p.place+1], lease)
}

func (p *workPage) close() {
	if p.words == nil {
		return
	}
	atomic.StoreUint64(&p.words[p.place+1], 0)
	atomic.StoreUint64(&p.words[p.place], 0)
	_ = syscall.Munmap(p.memory)
	p.words = nil
}
