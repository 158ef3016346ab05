//! The thread that talks to the broker, while other threads work on blocks.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::fence::Fence;
use crate::line::Line;
use crate::messages::{FromBroker, Hello};
use crate::options::WorkerOptions;
use crate::os::{self, Wake};
use crate::page::Note;
use crate::session::Session;

/// How many messages are handled before others have a turn.
const MESSAGES_AT_ONCE: usize = 256;

/// What the threads of a worker share.
pub(crate) struct Engine {
    session: Mutex<Session>,
    changed: Condvar,
    wake: Wake,
    fence: Arc<Fence>,
    work_page: String,
    note: Mutex<Option<Note>>,
    pub(crate) heeds_signals: AtomicBool,
}

impl Engine {
    /// Connects, says hello, and starts the threads. Errors: Settings, System.
    pub(crate) fn start(
        options: &WorkerOptions,
    ) -> Result<(Arc<Engine>, std::thread::JoinHandle<()>)> {
        let no_thread = |error| Error::System(format!("no thread for the connection: {}", error));
        let line = Line::open(&options.access)?;
        let session = Session::new(hello_of(options), options, os::random, os::boot_ms());
        let engine = Arc::new(Engine {
            session: Mutex::new(session),
            changed: Condvar::new(),
            wake: Wake::new().map_err(no_thread)?,
            fence: Fence::start()?,
            work_page: options.work_page.clone(),
            note: Mutex::new(None),
            heeds_signals: AtomicBool::new(false),
        });
        let worked = engine.clone();
        let run = move || {
            if catch_unwind(AssertUnwindSafe(|| worked.run(line))).is_err() {
                worked
                    .session()
                    .fail(Error::System("the worker's own thread panicked".into()));
                worked.changed.notify_all();
            }
        };
        let thread = os::spawn("bellis-worker", run).map_err(no_thread)?;
        Ok((engine, thread))
    }

    pub(crate) fn wake(&self) -> &Wake {
        &self.wake
    }

    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something has come from the broker.
    pub(crate) fn wait<'a>(&self, session: MutexGuard<'a, Session>) -> MutexGuard<'a, Session> {
        self.changed
            .wait(session)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called with the lock held whenever what is in hand has changed, before anybody is
    /// told.
    pub(crate) fn note(&self, session: &Session) {
        self.fence.set(session.work_ends_at());
        if self.work_page.is_empty() || !session.is_welcome() {
            return;
        }
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        if note.is_none() && session.number() != 0 {
            *note = Note::claim(&self.work_page, session.number());
        }
        if let Some(note) = note.as_ref() {
            note.write(session.number(), session.working_on());
        }
    }

    fn run(&self, mut line: Line) {
        loop {
            let (reopen, out, next, is_over) = self.turn(&line);
            if reopen {
                if let Err(error) = line.reopen() {
                    eprintln!("bellis: {}", error);
                }
            }
            for bytes in &out {
                line.send(bytes);
            }
            if is_over {
                break;
            }
            line.wait(&[self.wake.fd()], (next - os::boot_ms()).max(0));
        }
        drop(line); // waits until the last messages have left
        let signal = os::signal_noted();
        if signal != 0 && self.heeds_signals.load(Ordering::SeqCst) {
            os::die_of(signal);
        }
        self.changed.notify_all();
    }

    /// Hears what has come and finds out what is to be sent.
    fn turn(&self, line: &Line) -> (bool, Vec<Vec<u8>>, i64, bool) {
        self.wake.clear();
        let received: Vec<Vec<u8>> = std::iter::from_fn(|| line.receive())
            .take(MESSAGES_AT_ONCE)
            .collect();
        let mut session = self.session();
        let now = os::boot_ms();
        for bytes in &received {
            match FromBroker::read(bytes) {
                Ok(message) => session.hear(message, now),
                Err(error) => {
                    eprintln!("bellis: a message of the broker was passed over: {}", error)
                }
            }
        }
        let heeds = self.heeds_signals.load(Ordering::SeqCst);
        if heeds && os::signal_noted() != 0 {
            session.stop_at_once("a signal ended the worker", now);
        }
        let mut next = session.tick(now);
        session.flush(now);
        if received.len() == MESSAGES_AT_ONCE {
            next = now;
        }
        for notice in session.take_notices() {
            eprintln!("bellis: {}", notice);
        }
        self.note(&session);
        let is_over = session.end().is_some();
        let (reopen, out) = session.take_out();
        drop(session);
        self.changed.notify_all();
        (reopen, out, next, is_over)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.fence.end();
    }
}

fn hello_of(options: &WorkerOptions) -> Hello {
    Hello {
        role: "worker",
        token: options.access.token.clone(),
        job: options.job.clone(),
        task: options.task.clone(),
        worker: options.worker,
        duty: options.duty.as_str().to_string(),
        language: options.language.clone(),
        host: os::host(),
        pid: i64::from(std::process::id()),
        machine: os::machine(),
        heartbeat_ms: options.heartbeat_ms,
        ..Hello::default()
    }
}
