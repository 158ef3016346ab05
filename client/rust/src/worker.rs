//! A worker takes blocks of one task from a broker.

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::error::Result;
use crate::messages::{Leased, Outcome, Roi};
use crate::options::WorkerOptions;
use crate::os;
use crate::session::End;

/// How long the end of a worker waits for results to get through, and for its bye to leave.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a broker, as a worker of one task.
///
/// A thread of its own talks to the broker: it sends heartbeats while your code computes, and says
/// hello again after a broken connection or a restart of the broker, in which no work is lost. If
/// the broker cannot be reached for as long as a lease lasts, the process is ended (SIGKILL, with
/// its process group if it leads one), because another worker gets the block then. If a lease is
/// lost otherwise, [`Block::is_lost`] says so; work that goes on for another second is ended as
/// well.
///
/// Several threads may call `acquire` and work on blocks at the same time.
pub struct Worker {
    engine: Arc<Engine>,
    thread: Option<JoinHandle<()>>,
    signals: Option<os::SignalsNoted>,
}

impl Worker {
    /// Connects by what the environment says, and waits for the broker's welcome. Errors: Settings,
    /// which names the variable; NoBroker after BELLIS_CONNECT_TIMEOUT (10 s); Refused.
    pub fn from_environment() -> Result<Worker> {
        Worker::connect(&WorkerOptions::from_environment()?)
    }

    /// The same, by options.
    pub fn connect(options: &WorkerOptions) -> Result<Worker> {
        crate::access::check_endpoint(&options.access.endpoint)?;
        let (engine, thread) = Engine::start(options)?;
        let worker = Worker {
            engine,
            thread: Some(thread),
            signals: None,
        };
        let mut session = worker.engine.session();
        while !session.is_welcome() && session.end().is_none() {
            session = worker.engine.wait(session);
        }
        let failure = match session.end() {
            Some(End::Failed(error)) => Some(error.clone()),
            _ => None,
        };
        drop(session);
        failure.map_or(Ok(worker), Err)
    }

    /// Waits for the next block. None: there is nothing more to do, or the worker was asked to
    /// leave; so is each later answer. Errors: Refused, NoBroker after BELLIS_LOST_TIMEOUT (300 s).
    pub fn acquire(&self) -> Result<Option<Block>> {
        self.next(None)
    }

    /// Hands in a block, if one is done, and waits for the next: both are said in one message.
    fn next(&self, done: Option<(u64, Outcome)>) -> Result<Option<Block>> {
        let mut session = self.engine.session();
        let mut has_news = done.is_some();
        if let Some((lease, outcome)) = done {
            session.finish(lease, outcome, os::boot_ms());
            self.engine.note(&session);
        }
        let mut waits = false;
        let answer = loop {
            if let Some(End::Failed(error)) = session.end() {
                break Err(error.clone());
            }
            if session.end().is_some() || session.no_more().is_some() {
                break Ok(None);
            }
            if let Some((leased, lost)) = session.take(os::boot_ms()) {
                let task = session.task().to_string();
                self.engine.note(&session);
                break Ok(Some(Block {
                    leased,
                    task,
                    lost,
                    engine: Some(self.engine.clone()),
                }));
            }
            if !waits {
                waits = true;
                has_news = false;
                session.takers += 1;
                self.engine.wake().wake();
            }
            session = self.engine.wait(session);
        };
        if waits {
            session.takers -= 1;
        }
        if has_news || session.missing() > 0 {
            self.engine.wake().wake();
        }
        answer
    }

    /// Calls `function` with one block after the other until there are no more, and returns how
    /// many that were. What it returns says what became of the block: see [`Answer`]. A panic fails
    /// the block, and the loop goes on. Errors: as `acquire`.
    pub fn run<A: Answer>(&self, mut function: impl FnMut(&Block) -> A) -> Result<u64> {
        let mut blocks = 0;
        let mut done = None;
        while let Some(mut block) = self.next(done)? {
            blocks += 1;
            let outcome = match catch_unwind(AssertUnwindSafe(|| function(&block).into_outcome())) {
                Ok(outcome) => outcome,
                Err(panic) => Outcome::Failed(words_of(&*panic)),
            };
            block.engine = None; // it is handed in by what asks for the next
            done = Some((block.lease(), outcome));
        }
        Ok(blocks)
    }

    /// Makes SIGINT and SIGTERM end this process in good order while the worker lives: all blocks
    /// go back, the one in hand included, and the process dies of the signal. [`work`] calls it.
    /// For one worker of a process.
    pub fn heed_signals(&mut self) {
        self.engine.heeds_signals.store(true, Ordering::SeqCst);
        self.signals = Some(os::SignalsNoted::new(self.engine.wake()));
    }

    /// Asks this worker to end after the blocks in hand: `acquire` returns None from now on, and
    /// blocks that were asked for in advance go back. From any thread.
    pub fn stop(&self) {
        self.engine
            .session()
            .stop("stopped by its program", os::boot_ms());
        self.engine.wake().wake();
    }

    /// The id of the job.
    pub fn job(&self) -> String {
        self.engine.session().job().to_string()
    }

    /// The task.
    pub fn task(&self) -> String {
        self.engine.session().task().to_string()
    }

    /// The number by which the broker knows this worker now.
    pub fn id(&self) -> u64 {
        self.engine.session().number()
    }

    /// This worker's place among the workers of its task, from 0; a worker that replaces it gets
    /// the same. For things of which each worker has one, such as GPUs.
    pub fn slot(&self) -> u32 {
        self.engine.session().slot
    }

    /// Why `acquire` returned None, in the broker's words; empty before.
    pub fn leave_reason(&self) -> String {
        let session = self.engine.session();
        match session.end() {
            Some(End::Left(reason)) => reason.clone(),
            _ => session.no_more().unwrap_or_default().to_string(),
        }
    }
}

impl Drop for Worker {
    /// Hands in what is finished and says bye; takes up to 5 s if the broker is away. Blocks that
    /// are still in hand then count as failed attempts.
    fn drop(&mut self) {
        self.stop();
        let until = Instant::now() + END_PATIENCE;
        let is_over = |thread: &JoinHandle<()>| thread.is_finished() || Instant::now() >= until;
        if let Some(thread) = self.thread.take() {
            let in_hand = self.engine.session().is_working();
            while !in_hand && !is_over(&thread) && self.engine.session().end().is_none() {
                std::thread::sleep(Duration::from_millis(2));
            }
            let mut session = self.engine.session();
            session.say_bye("stopped by its program", os::boot_ms());
            drop(session);
            self.engine.wake().wake();
            let _panicked = thread.join();
        }
        let noted = self.signals.take().map_or(0, os::SignalsNoted::end);
        if noted != 0 {
            os::die_of(noted); // it came when the thread had ended
        }
    }
}

/// A block to work on. It says what became of it by `complete`, `fail` or `give_back`. A block that
/// is dropped without a word has failed.
#[must_use = "say what became of the block: complete, fail or give_back"]
pub struct Block {
    leased: Leased,
    task: String,
    lost: Arc<AtomicBool>,
    engine: Option<Arc<Engine>>,
}

impl Block {
    /// What to read, in world units.
    pub fn read(&self) -> &Roi {
        &self.leased.read
    }

    /// What to write, in world units.
    pub fn write(&self) -> &Roi {
        &self.leased.write
    }

    /// The task that it belongs to.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The id that users see, unique within the task.
    pub fn id(&self) -> i64 {
        self.leased.id
    }

    /// Row-major rank in the task's grid.
    pub fn index(&self) -> u64 {
        self.leased.index
    }

    /// From 1.
    pub fn attempt(&self) -> u32 {
        self.leased.attempt
    }

    /// Names this hand-out of the block, and is never used again: a fencing token.
    pub fn lease(&self) -> u64 {
        self.leased.lease
    }

    /// The block is not this worker's any more (its job was cancelled, say): stop work on it. What
    /// is said of it then is dropped. Work that goes on for another second ends the process.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// The block is done.
    pub fn complete(self) {
        self.end(Outcome::Completed);
    }

    /// The block has failed; the broker may give it to another worker. `why`: at most 16 KiB, of
    /// longer ones the middle is cut out.
    pub fn fail(self, why: impl fmt::Display) {
        self.end(Outcome::Failed(why.to_string()));
    }

    /// The block goes back as it was, without an attempt.
    pub fn give_back(self) {
        self.end(Outcome::Returned);
    }

    fn end(mut self, outcome: Outcome) {
        self.hand_in(outcome);
    }

    fn hand_in(&mut self, outcome: Outcome) {
        if let Some(engine) = self.engine.take() {
            let mut session = engine.session();
            session.finish(self.leased.lease, outcome, os::boot_ms());
            engine.note(&session);
            drop(session);
            engine.wake().wake();
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Block({} {}, lease {}, attempt {})",
            self.task,
            self.id(),
            self.lease(),
            self.attempt()
        )
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let why = match std::thread::panicking() {
            true => "the worker panicked",
            false => "the worker dropped the block without saying that it is complete",
        };
        self.hand_in(Outcome::Failed(why.into()));
    }
}

/// What a function says of a block: nothing, which completes it; a bool, of which false fails it
/// (the answer of a checker); or a Result of these, whose error fails it with its text.
pub trait Answer {
    #[doc(hidden)]
    fn into_outcome(self) -> BlockOutcome;
}

/// What an [`Answer`] means.
#[doc(hidden)]
pub type BlockOutcome = Outcome;

impl Answer for () {
    fn into_outcome(self) -> Outcome {
        Outcome::Completed
    }
}

impl Answer for bool {
    fn into_outcome(self) -> Outcome {
        if self {
            Outcome::Completed
        } else {
            Outcome::Failed(String::new())
        }
    }
}

impl<A: Answer, E: fmt::Display> Answer for std::result::Result<A, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(answer) => answer.into_outcome(),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "panicked: {}",
        text.unwrap_or_else(|| "with a value that is no text".into())
    )
}

/// Connects by the environment, works off all blocks with `function`, and says bye: see
/// [`Worker::run`]. SIGINT and SIGTERM end the process, after all blocks have gone back. Errors: as
/// [`Worker::from_environment`] and [`Worker::acquire`].
///
/// ```no_run
/// fn main() -> bellis::Result<()> {
///     bellis::work(|block| -> std::io::Result<()> {
///         let (read, write) = (block.read(), block.write());
///         println!("reads {:?}, writes {:?}", read, write); // compute, write ...
///         Ok(())
///     })?;
///     Ok(())
/// }
/// ```
pub fn work<A: Answer>(function: impl FnMut(&Block) -> A) -> Result<u64> {
    let mut worker = Worker::from_environment()?;
    worker.heed_signals();
    worker.run(function)
}
