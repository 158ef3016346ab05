//! Notes for the launcher what a worker works on (WORKERS.md, "What a worker works on").

use std::os::unix::io::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

const PAGE_BYTES: usize = 4096;
const PLACE_BYTES: usize = 16;

/// A place in the page of this process. The page stays mapped as long as the process lives.
pub(crate) struct Note {
    worker: &'static AtomicU64,
    lease: &'static AtomicU64,
}

/// The words of a page, which the launcher and all processes of the worker share.
struct Page(&'static [AtomicU64]);

impl Note {
    /// Takes the first free place of the page that `PATH:OFFSET:KEY` names. None where there is no
    /// such page, as on another machine, or no free place.
    pub(crate) fn claim(named: &str, worker: u64) -> Option<Note> {
        let mut parts = named.rsplitn(3, ':');
        let key: u64 = parts.next()?.parse().ok()?;
        let offset: i64 = parts.next()?.parse().ok()?;
        let path = parts.next()?;
        let target = std::fs::read_link(path).ok()?;
        if !target.to_string_lossy().starts_with("/memfd:bellis-work") {
            return None;
        }
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .ok()?;
        if offset < 0 || file.metadata().ok()?.len() < offset as u64 + PAGE_BYTES as u64 {
            return None;
        }
        let page = Page::map(&file, offset)?;
        let _lock = Lock::new(&file, offset)?;
        if page.0[0].load(Ordering::SeqCst) != u64::from_ne_bytes(*b"BELLISWP")
            || page.0[1].load(Ordering::SeqCst) != key
        {
            return None;
        }
        let mut places = page.0[2..].chunks_exact(PLACE_BYTES / 8);
        let free = places.find(|place| place[0].load(Ordering::SeqCst) == 0)?;
        free[1].store(0, Ordering::SeqCst);
        free[0].store(worker, Ordering::SeqCst);
        Some(Note {
            worker: &free[0],
            lease: &free[1],
        })
    }

    /// The worker's number (0: as before), and the lease that it works on.
    pub(crate) fn write(&self, worker: u64, lease: u64) {
        self.lease.store(lease, Ordering::SeqCst);
        if worker != 0 {
            self.worker.store(worker, Ordering::SeqCst);
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.lease.store(0, Ordering::SeqCst);
        self.worker.store(0, Ordering::SeqCst);
    }
}

impl Page {
    fn map(file: &std::fs::File, offset: i64) -> Option<Page> {
        // SAFETY: a shared mapping of a whole page; it is never unmapped, and its words are only
        // used as atomics.
        unsafe {
            let at = libc::mmap(
                std::ptr::null_mut(),
                PAGE_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            );
            if at == libc::MAP_FAILED {
                return None;
            }
            Some(Page(std::slice::from_raw_parts(at.cast(), PAGE_BYTES / 8)))
        }
    }
}

/// A lock on the bytes of a page, as long as the file is open.
struct Lock<'a>(&'a std::fs::File, libc::flock);

impl<'a> Lock<'a> {
    fn new(file: &'a std::fs::File, offset: i64) -> Option<Lock<'a>> {
        // SAFETY: all zeroes are a valid flock.
        let mut range: libc::flock = unsafe { std::mem::zeroed() };
        range.l_whence = libc::SEEK_SET as libc::c_short;
        range.l_start = offset;
        range.l_len = PAGE_BYTES as i64;
        let mut lock = Lock(file, range);
        lock.set(libc::F_WRLCK as libc::c_short).then_some(lock)
    }

    fn set(&mut self, kind: libc::c_short) -> bool {
        self.1.l_type = kind;
        // SAFETY: the pointer is to a flock of this value.
        unsafe { libc::fcntl(self.0.as_raw_fd(), libc::F_OFD_SETLKW, &mut self.1) == 0 }
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        self.set(libc::F_UNLCK as libc::c_short);
    }
}
