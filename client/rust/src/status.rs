//! What a broker tells about its jobs: MESSAGES.md, "Job status" and "Task status".

use crate::error::Result;
use crate::wire::Fields;

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobState {
    /// Blocks are left to do.
    Running,
    /// Every block is completed.
    Completed,
    /// The job has ended, and some of its blocks were not completed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// A state of a newer broker.
    Other(String),
}

impl JobState {
    fn from_text(text: String) -> JobState {
        match text.as_str() {
            "running" => JobState::Running,
            "completed" => JobState::Completed,
            "failed" => JobState::Failed,
            "cancelled" => JobState::Cancelled,
            _ => JobState::Other(text),
        }
    }
}

/// The status of a job.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobStatus {
    /// Its id.
    pub job: String,
    /// Its name.
    pub name: String,
    /// How far it is.
    pub state: JobState,
    /// Why it ended, unless it completed.
    pub reason: String,
    /// Seconds since it was submitted, restarts of the broker included; stands still at its end.
    pub elapsed_s: f64,
    /// Who submitted it.
    pub user: String,
    /// Where it was submitted.
    pub host: String,
    /// When: seconds since 1970, by the broker's clock. 0: not known.
    pub submitted_at: u64,
    /// Its tasks, in the order of the pipeline.
    pub tasks: Vec<TaskStatus>,
}

/// The status of a task. Counts are of blocks, where nothing else is said.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)] // the counts are those of docs/GLOSSARY.md, "The life of a block"
pub struct TaskStatus {
    pub task: String,
    /// All of them: `masked + pending + ready + leased + completed + failed + orphaned`.
    pub blocks: u64,
    pub masked: u64,
    pub pending: u64,
    pub ready: u64,
    pub leased: u64,
    /// With the skipped ones.
    pub completed: u64,
    pub skipped: u64,
    pub failed: u64,
    pub orphaned: u64,
    /// Conflict levels.
    pub levels: u64,
    /// Workers that were launched and have not connected yet.
    pub workers_starting: u64,
    /// Workers that are connected.
    pub workers_live: u64,
    /// How many workers were to be replaced.
    pub worker_restarts: u64,
    /// Mean time of a block, from when a worker could start on it to its release.
    pub block_ms_mean: f64,
    /// Completed blocks by the workers' language.
    pub languages: Vec<LanguageCount>,
    /// The first 100 failed attempts.
    pub failures: Vec<Failure>,
    /// All failed attempts.
    pub failures_total: u64,
    /// Why the task was given up, if it was.
    pub error: String,
    /// Where its workers' logs are.
    pub log_dir: String,
    /// No block of it is handed out.
    pub paused: bool,
    /// What its user should hear of while it runs.
    pub notices: Vec<String>,
}

/// Blocks that workers in one language completed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LanguageCount {
    /// As the workers said it.
    pub language: String,
    /// How many.
    pub blocks: u64,
    /// Mean time of a block in milliseconds.
    pub block_ms_mean: f64,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The block's id.
    pub block: i64,
    /// The block's row-major rank in the task's grid.
    pub index: u64,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The worker's number.
    pub worker: u64,
    /// Why it failed.
    pub error: String,
}

/// Why a block does not run, or a worker is idle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The result in one sentence.
    pub summary: String,
    /// Each step waits for the next.
    pub steps: Vec<ExplanationStep>,
}

/// One step of an [`Explanation`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplanationStep {
    /// The block's task.
    pub task: String,
    /// The block's id.
    pub block: i64,
    /// The block's row-major rank.
    pub index: u64,
    /// Such as `pending`, `ready`, `leased`, `completed`.
    pub state: String,
    /// Why it is in this state.
    pub why: String,
}

/// The answer to a submit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Submitted {
    /// The id by which the broker knows the job.
    pub job: String,
    /// It goes on after an earlier run, or still runs.
    pub resumed: bool,
    /// How many of its blocks were completed already.
    pub done: u64,
    /// The folder of its logs, below a task's `log_dir`.
    pub run: String,
}

impl JobStatus {
    pub(crate) fn read(fields: &Fields) -> Result<JobStatus> {
        Ok(JobStatus {
            job: fields.str("job")?,
            name: fields.str_or("name", "")?,
            state: JobState::from_text(fields.str_or("state", "running")?),
            reason: fields.str_or("reason", "")?,
            elapsed_s: fields.float_or("elapsed_s", 0.0)?,
            user: fields.str_or("user", "")?,
            host: fields.str_or("host", "")?,
            submitted_at: fields.uint_or("submitted_at", 0)?,
            tasks: fields.maps("tasks", TaskStatus::read)?,
        })
    }
}

impl TaskStatus {
    fn read(fields: &Fields) -> Result<TaskStatus> {
        Ok(TaskStatus {
            task: fields.str("task")?,
            blocks: fields.uint_or("blocks", 0)?,
            masked: fields.uint_or("masked", 0)?,
            pending: fields.uint_or("pending", 0)?,
            ready: fields.uint_or("ready", 0)?,
            leased: fields.uint_or("leased", 0)?,
            completed: fields.uint_or("completed", 0)?,
            skipped: fields.uint_or("skipped", 0)?,
            failed: fields.uint_or("failed", 0)?,
            orphaned: fields.uint_or("orphaned", 0)?,
            levels: fields.uint_or("levels", 0)?,
            workers_starting: fields.uint_or("workers_starting", 0)?,
            workers_live: fields.uint_or("workers_live", 0)?,
            worker_restarts: fields.uint_or("worker_restarts", 0)?,
            block_ms_mean: fields.float_or("block_ms_mean", 0.0)?,
            languages: fields.maps("languages", LanguageCount::read)?,
            failures: fields.maps("failures", Failure::read)?,
            failures_total: fields.uint_or("failures_total", 0)?,
            error: fields.str_or("error", "")?,
            log_dir: fields.str_or("log_dir", "")?,
            paused: fields.bool_or("paused", false)?,
            notices: fields.strs("notices")?,
        })
    }
}

impl LanguageCount {
    fn read(fields: &Fields) -> Result<LanguageCount> {
        Ok(LanguageCount {
            language: fields.str("language")?,
            blocks: fields.uint_or("blocks", 0)?,
            block_ms_mean: fields.float_or("block_ms_mean", 0.0)?,
        })
    }
}

impl Failure {
    fn read(fields: &Fields) -> Result<Failure> {
        Ok(Failure {
            block: fields.int("block")?,
            index: fields.uint_or("index", 0)?,
            attempt: fields.uint32_or("attempt", 0)?,
            worker: fields.uint_or("worker", 0)?,
            error: fields.str_or("error", "")?,
        })
    }
}

impl Explanation {
    pub(crate) fn read(fields: &Fields) -> Result<Explanation> {
        let step = |step: &Fields| {
            Ok(ExplanationStep {
                task: step.str_or("task", "")?,
                block: step.int_or("block", 0)?,
                index: step.uint_or("index", 0)?,
                state: step.str_or("state", "")?,
                why: step.str_or("why", "")?,
            })
        };
        Ok(Explanation {
            summary: fields.str_or("summary", "")?,
            steps: fields.maps("steps", step)?,
        })
    }
}

impl Submitted {
    pub(crate) fn read(fields: &Fields) -> Result<Submitted> {
        Ok(Submitted {
            job: fields.str("job")?,
            resumed: fields.bool_or("resumed", false)?,
            done: fields.uint_or("done", 0)?,
            run: fields.str_or("run", "")?,
        })
    }
}
