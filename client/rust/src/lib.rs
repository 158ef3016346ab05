//! Workers and clients of Bellis, a scheduler of blockwise tasks on volumes.
//!
//! A worker, in one call:
//!
//! ```no_run
//! bellis::work(|block| println!("{:?}", block.write())).unwrap();
//! ```
//!
//! [`Worker`] is for a loop of your own, [`Control`] for submitting, watching and steering jobs.
//! The protocol is that of common/protocol/PROTOCOL.md; workers are of level 2.

#![warn(missing_docs)]

mod access;
mod control;
mod engine;
mod error;
mod fence;
mod line;
mod messages;
mod options;
mod os;
mod page;
mod requests;
mod session;
mod status;
mod stock;
#[cfg(test)]
mod vectors;
mod wire;
mod worker;

pub use access::{Access, Keys};
pub use control::{Control, Stored, WatchOrder};
pub use error::{Code, Error, Result};
pub use messages::Roi;
pub use options::{ControlOptions, Duty, Prefetch, WorkerOptions};
pub use status::{
    Explanation, ExplanationStep, Failure, JobState, JobStatus, LanguageCount, Submitted,
    TaskStatus,
};
pub use worker::{work, Answer, Block, Worker};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
