//! What the standard library lacks: the boot clock, signals, the end of the process. All `unsafe`
//! code of the crate is here and in page.rs.

use std::os::unix::io::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// Milliseconds on a clock that goes on while the machine sleeps.
pub(crate) fn boot_ms() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of this frame.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// The name of this kernel and pid namespace (WORKERS.md, "Machine"); empty where it cannot be
/// said.
pub(crate) fn machine() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let space = std::fs::read_link("/proc/self/ns/pid");
    match (boot, space) {
        (Ok(boot), Ok(space)) => format!("{}:{}", boot.trim(), space.to_string_lossy()),
        _ => String::new(),
    }
}

/// The name of this host; empty where it cannot be said.
pub(crate) fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_string()
}

/// A random number from 1 to 2^62.
pub(crate) fn random() -> u64 {
    let mut bytes = [0u8; 8];
    let read = std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    if read.is_err() {
        bytes = (boot_ms() as u64 ^ u64::from(std::process::id()) << 32).to_ne_bytes();
    }
    (u64::from_ne_bytes(bytes) >> 2) + 1
}

/// The user's id.
pub(crate) fn user_id() -> u32 {
    // SAFETY: it has no arguments and cannot fail.
    unsafe { libc::getuid() }
}

/// Ends this process at once, and its process group if it leads one: no lock, no memory, nothing
/// that the rest of the process may have broken.
pub(crate) fn kill_self(words: &'static [u8]) -> ! {
    // SAFETY: system calls with values and a static buffer.
    unsafe {
        libc::write(2, words.as_ptr().cast(), words.len());
        let me = libc::getpid();
        libc::kill(if libc::getpgrp() == me { -me } else { me }, libc::SIGKILL);
        loop {
            libc::pause();
        }
    }
}

/// Ends this process without its exit handlers, which may wait for the work that is to stop.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: it does not return.
    unsafe { libc::_exit(code) }
}

/// A descriptor by which one thread wakes another that polls. Closed when dropped.
pub(crate) struct Wake(RawFd);

impl Wake {
    pub(crate) fn new() -> std::io::Result<Wake> {
        // SAFETY: it makes a descriptor that this value owns.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Wake(fd))
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.0
    }

    pub(crate) fn wake(&self) {
        wake_fd(self.0);
    }

    /// Forgets all wakes so far.
    pub(crate) fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: the buffer has the 8 bytes that an eventfd writes.
        unsafe { libc::read(self.0, std::ptr::addr_of_mut!(count).cast(), 8) };
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this value's own.
        unsafe { libc::close(self.0) };
    }
}

fn wake_fd(fd: RawFd) {
    let one = 1u64;
    // SAFETY: the buffer has the 8 bytes that an eventfd reads.
    unsafe { libc::write(fd, std::ptr::addr_of!(one).cast(), 8) };
}

static SIGNAL: AtomicI32 = AtomicI32::new(0);
static SIGNAL_WAKES: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note_signal(number: libc::c_int) {
    SIGNAL.store(number, Ordering::SeqCst);
    let fd = SIGNAL_WAKES.load(Ordering::SeqCst);
    if fd >= 0 {
        wake_fd(fd);
    }
}

const ENDING: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

/// While it lives, SIGINT and SIGTERM wake a thread instead of ending the process.
pub(crate) struct SignalsNoted {
    before: Vec<libc::sigaction>,
}

impl SignalsNoted {
    /// `wake` must live longer than the value.
    pub(crate) fn new(wake: &Wake) -> SignalsNoted {
        SIGNAL.store(0, Ordering::SeqCst);
        SIGNAL_WAKES.store(wake.fd(), Ordering::SeqCst);
        let install = |&number: &libc::c_int| {
            // SAFETY: all zeroes are a valid sigaction; the handler does only what a handler may.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                let mut before: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = note_signal as *const () as usize;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(number, &action, &mut before);
                before
            }
        };
        SignalsNoted {
            before: ENDING.iter().map(install).collect(),
        }
    }
}

impl SignalsNoted {
    /// Ends the noting, and returns the signal that came, or 0.
    pub(crate) fn end(self) -> i32 {
        drop(self);
        signal_noted()
    }
}

impl Drop for SignalsNoted {
    fn drop(&mut self) {
        for (number, before) in ENDING.iter().zip(&self.before) {
            // SAFETY: `before` came from sigaction.
            unsafe { libc::sigaction(*number, before, std::ptr::null_mut()) };
        }
        SIGNAL_WAKES.store(-1, Ordering::SeqCst);
    }
}

/// The signal that came since `SignalsNoted`, or 0.
pub(crate) fn signal_noted() -> i32 {
    SIGNAL.load(Ordering::SeqCst)
}

/// Ends this process by a signal, as if nobody had noted it.
pub(crate) fn die_of(number: i32) -> ! {
    // SAFETY: system calls with values; the default action ends the process.
    unsafe {
        libc::signal(number, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, number);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
        libc::raise(number);
        libc::_exit(128 + number)
    }
}

/// Starts a thread that takes no signals: they are the user's business, in the user's threads.
pub(crate) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    // SAFETY: sigset_t is filled before it is read, and the former mask is set again.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let thread = std::thread::Builder::new()
            .name(name.to_string())
            .spawn(run);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        thread
    }
}
