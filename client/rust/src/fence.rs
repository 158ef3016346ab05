//! Ends the process when its leases end while it still works on them (WORKERS.md, "Leases end").
//!
//! A thread of its own looks at the clock. It waits for nothing but time: no socket, no lock.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::os;

const NEVER: i64 = i64::MAX;
const SLICE_MS: i64 = 50;

pub(crate) struct Fence {
    ends_at: AtomicI64,
    left: AtomicBool,
    over: AtomicBool,
}

impl Fence {
    /// Starts the thread, which lives until `end`.
    pub(crate) fn start() -> Result<Arc<Fence>> {
        let fence = Arc::new(Fence {
            ends_at: AtomicI64::new(NEVER),
            left: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let watched = fence.clone();
        os::spawn("bellis-fence", move || watched.watch()).map_err(|error| {
            Error::System(format!("no thread for the end of leases: {}", error))
        })?;
        Ok(fence)
    }

    /// When work must have stopped; none: nothing is worked on, or nothing ends it. `left`: the
    /// broker said `leave`, so the process ends with code 0.
    pub(crate) fn set(&self, ends: Option<(i64, bool)>) {
        let (at, left) = ends.unwrap_or((NEVER, false));
        self.left.store(left, Ordering::SeqCst);
        self.ends_at.store(at, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    fn watch(&self) {
        while !self.over.load(Ordering::SeqCst) {
            let at = self.ends_at.load(Ordering::SeqCst);
            let left_ms = at.saturating_sub(os::boot_ms());
            if left_ms <= 0 {
                if self.left.load(Ordering::SeqCst) {
                    os::exit_now(0);
                }
                os::kill_self(b"bellis: the lease that this worker works on has ended: the process is ended\n");
            }
            std::thread::sleep(Duration::from_millis(left_ms.clamp(1, SLICE_MS) as u64));
        }
    }
}
