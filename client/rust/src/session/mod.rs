//! A worker of level 2 as a state machine: messages and times go in, messages come out.
//!
//! It does no I/O, and reads no clock but for the mean time of a block (stock.rs). The states are
//! those of WORKERS.md, "States of a worker": GREETING is `!welcome`, WORKING is a block in hand,
//! DRAINING is `no_more`. Times are in milliseconds of a clock that goes on while the machine
//! sleeps.

#[cfg(test)]
mod ends;
mod hear;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod tests;
mod time;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::error::{Code, Error};
use crate::messages::{acquire, bye, release, FromBroker, Held, Hello, Leased, Outcome, Welcome};
use crate::options::WorkerOptions;
use crate::stock::Stock;

/// Blocks that a worker may hold and want.
const BLOCKS_MAX: usize = 1024;
/// Each may have an error of 16 KiB, and a message has 1 MiB at most.
const RESULTS_MAX: usize = 48;
const LIMIT_PAUSE_MS: i64 = 1000;
/// How long work on a lease may go on that is not this worker's any more, if its flag is not looked
/// at.
const LOST_GRACE_MS: i64 = 1000;

/// How a session ended: in good order, or by an error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// The broker's reason.
    Left(String),
    Failed(Error),
}

struct InHand {
    held: Held,
    lost: Arc<AtomicBool>,
}

pub(crate) struct Session {
    me: Hello,
    given: u64,
    new_session: fn() -> u64,
    connect_ms: i64,
    lost_ms: i64,
    // What the broker granted.
    welcome: bool,
    was_welcome: bool,
    pub(crate) slot: u32,
    durable: bool,
    lease_ms: i64,
    beat_ms: i64,
    /// Until when the leases surely last; none: they do not end by themselves.
    deadline: Option<i64>,
    // The conversation.
    asked_at: i64,
    hello_at: i64,
    pinged_at: i64,
    opened_silence: i64,
    silence: i64,
    ticked_at: i64,
    nonce: u64,
    pings: VecDeque<(u64, i64)>,
    // Blocks.
    stock: VecDeque<Leased>,
    in_hand: BTreeMap<u64, InHand>,
    results: BTreeMap<u64, (Held, Outcome)>,
    unsent: Vec<(Held, Outcome)>,
    pub(crate) takers: u32,
    wanted: u32,
    ahead: Stock,
    quiet_until: i64,
    condemned_at: Option<i64>,
    // Its end.
    no_more: Option<String>,
    /// It was the broker that said so.
    drains: bool,
    end: Option<End>,
    left: bool,
    // What is to be done.
    out: Vec<Vec<u8>>,
    reopen: bool,
    notices: Vec<String>,
}

impl Session {
    /// Its first hello is in `take_out` at once.
    pub(crate) fn new(
        me: Hello,
        options: &WorkerOptions,
        new_session: fn() -> u64,
        now: i64,
    ) -> Session {
        let mut session = Session {
            given: me.worker,
            me,
            new_session,
            connect_ms: options.connect_timeout.as_millis() as i64,
            lost_ms: options.lost_timeout.as_millis() as i64,
            welcome: false,
            was_welcome: false,
            slot: 0,
            durable: false,
            lease_ms: 0,
            beat_ms: 0,
            deadline: None,
            asked_at: now,
            hello_at: now,
            pinged_at: now,
            opened_silence: 0,
            silence: 0,
            ticked_at: now,
            nonce: 0,
            pings: VecDeque::new(),
            stock: VecDeque::new(),
            in_hand: BTreeMap::new(),
            results: BTreeMap::new(),
            unsent: Vec::new(),
            takers: 0,
            wanted: 0,
            ahead: Stock::new(options.prefetch),
            quiet_until: now,
            condemned_at: None,
            no_more: None,
            drains: false,
            end: None,
            left: false,
            out: Vec::new(),
            reopen: false,
            notices: Vec::new(),
        };
        session.me.session = new_session();
        session.say_hello(now);
        session
    }

    // What the threads of the worker ask.

    pub(crate) fn is_welcome(&self) -> bool {
        self.was_welcome
    }
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }
    /// Why no more blocks come, if so.
    pub(crate) fn no_more(&self) -> Option<&str> {
        self.no_more.as_deref()
    }
    pub(crate) fn is_working(&self) -> bool {
        !self.in_hand.is_empty()
    }
    pub(crate) fn number(&self) -> u64 {
        self.me.worker
    }
    pub(crate) fn job(&self) -> &str {
        &self.me.job
    }
    pub(crate) fn task(&self) -> &str {
        &self.me.task
    }

    /// The lease to note in the work page: 0 for none, 2^64-1 for several.
    pub(crate) fn working_on(&self) -> u64 {
        match self.in_hand.len() {
            0 => 0,
            1 => *self.in_hand.keys().next().unwrap_or(&0),
            _ => u64::MAX,
        }
    }

    /// When all work must have stopped, if nothing changes; and whether the worker was told to
    /// leave.
    pub(crate) fn work_ends_at(&self) -> Option<(i64, bool)> {
        let times = [self.deadline, self.condemned_at];
        times
            .iter()
            .flatten()
            .min()
            .filter(|_| self.is_working())
            .map(|&at| (at, self.left))
    }

    /// What is to be sent, and whether over another socket.
    pub(crate) fn take_out(&mut self) -> (bool, Vec<Vec<u8>>) {
        (
            std::mem::take(&mut self.reopen),
            std::mem::take(&mut self.out),
        )
    }

    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// The next block to work on, and a flag that is set when its lease is lost.
    pub(crate) fn take(&mut self, now: i64) -> Option<(Leased, Arc<AtomicBool>)> {
        if !self.welcome || self.is_over(now) || self.no_more.is_some() || self.end.is_some() {
            return None;
        }
        let block = self.stock.pop_front()?;
        let lost = Arc::new(AtomicBool::new(false));
        let held = held_of(&block);
        self.in_hand.insert(
            block.lease,
            InHand {
                held,
                lost: lost.clone(),
            },
        );
        self.ahead.block_begins(now);
        Some((block, lost))
    }

    /// What became of a block that was taken. Nothing happens if its lease was lost.
    pub(crate) fn finish(&mut self, lease: u64, outcome: Outcome, now: i64) {
        let InHand { held, lost } = match self.in_hand.remove(&lease) {
            Some(in_hand) => in_hand,
            None => return,
        };
        self.ahead.block_ends();
        if self.in_hand.is_empty() {
            self.condemned_at = None;
        }
        if !lost.load(Ordering::SeqCst) && self.end.is_none() {
            self.hand_in(held, outcome);
        }
        self.end_if_idle(now);
    }

    fn hand_in(&mut self, held: Held, outcome: Outcome) {
        if outcome != Outcome::Returned && (self.durable || !self.welcome) {
            self.results.insert(held.lease, (held, outcome.clone()));
        }
        if self.welcome {
            self.unsent.push((held, outcome));
        }
    }

    /// The worker's own wish to end: what it has not started goes back.
    pub(crate) fn stop(&mut self, reason: &str, now: i64) {
        if self.end.is_some() {
            return;
        }
        self.no_more.get_or_insert_with(|| reason.to_string());
        self.return_stock();
        self.end_if_idle(now);
    }

    /// The same, for a process that is about to end: what it works on goes back as well.
    pub(crate) fn stop_at_once(&mut self, reason: &str, now: i64) {
        if self.end.is_some() {
            return;
        }
        for in_hand in std::mem::take(&mut self.in_hand).into_values() {
            in_hand.lost.store(true, Ordering::SeqCst);
            self.unsent.push((in_hand.held, Outcome::Returned));
        }
        self.stop(reason, now);
        self.say_bye(reason, now);
    }

    // What is said.

    /// Sends results and requests that wait. To be called after everything else.
    pub(crate) fn flush(&mut self, now: i64) {
        if !self.welcome || self.end.is_some() {
            return;
        }
        let want = if now >= self.quiet_until && !self.is_over(now) {
            self.missing()
        } else {
            0
        };
        let results = std::mem::take(&mut self.unsent);
        let mut chunks = results.chunks(RESULTS_MAX).peekable();
        if chunks.peek().is_none() && want > 0 {
            self.out.push(acquire(want));
        }
        while let Some(chunk) = chunks.next() {
            self.out.push(release(
                chunk,
                if chunks.peek().is_none() { want } else { 0 },
            ));
        }
        self.wanted += want;
    }

    /// How many blocks to ask for.
    pub(crate) fn missing(&self) -> u32 {
        if self.no_more.is_some() {
            return 0;
        }
        let there = self.stock.len() + self.wanted as usize;
        let wished = (self.takers + self.ahead.size()) as usize;
        let allowed = BLOCKS_MAX.saturating_sub(self.in_hand.len() + there);
        wished.saturating_sub(there).min(allowed) as u32
    }

    fn say_hello(&mut self, now: i64) {
        if self.welcome || self.me.greeting == 0 {
            self.asked_at = now;
        }
        self.welcome = false;
        self.wanted = 0;
        self.hello_at = now;
        self.pings.clear();
        // What was returned goes back by not being listed.
        for (held, outcome) in std::mem::take(&mut self.unsent) {
            if outcome != Outcome::Returned {
                self.results.insert(held.lease, (held, outcome));
            }
        }
        self.me.greeting += 1;
        self.me.held = self.held();
        self.out.push(self.me.pack());
    }

    fn held(&self) -> Vec<Held> {
        let in_hand = self
            .in_hand
            .values()
            .filter(|one| !one.lost.load(Ordering::SeqCst));
        let mut held: Vec<Held> = in_hand.map(|one| one.held).collect();
        held.extend(self.stock.iter().map(held_of));
        held.extend(self.results.values().map(|(held, _)| *held));
        held
    }

    /// Says bye when there is nothing more to do and nothing in hand.
    fn end_if_idle(&mut self, now: i64) {
        let reason = match &self.no_more {
            Some(reason) if self.in_hand.is_empty() && self.end.is_none() => reason.clone(),
            _ => return,
        };
        // What only a welcome lets through is waited for.
        let is_empty = self.results.is_empty() && self.stock.is_empty();
        if self.welcome || (is_empty && !self.drains) {
            self.say_bye(&reason, now);
        }
    }

    pub(crate) fn say_bye(&mut self, reason: &str, now: i64) {
        if self.end.is_some() {
            return;
        }
        self.flush(now);
        if self.wanted > 0 || (!self.welcome && !self.me.held.is_empty()) {
            self.stock.clear();
            self.say_hello(now); // takes back what was asked for, and what is not listed
        }
        self.out.push(bye(reason));
        self.end = Some(End::Left(reason.to_string()));
    }

    /// The leases in hand are lost: work on them must stop.
    fn lose_all(&mut self, now: i64) {
        for in_hand in self.in_hand.values() {
            in_hand.lost.store(true, Ordering::SeqCst);
        }
        self.condemned_at = self
            .condemned_at
            .or(Some(now + LOST_GRACE_MS))
            .filter(|_| self.is_working());
        self.stock.clear();
        self.results.clear();
        self.unsent.clear();
    }

    pub(crate) fn fail(&mut self, error: Error) {
        for in_hand in self.in_hand.values() {
            in_hand.lost.store(true, Ordering::SeqCst);
        }
        self.end = Some(End::Failed(error));
    }

    fn return_stock(&mut self) {
        if self.welcome {
            let stock = std::mem::take(&mut self.stock);
            self.unsent.extend(
                stock
                    .iter()
                    .map(|block| (held_of(block), Outcome::Returned)),
            );
        }
    }
}

fn held_of(block: &Leased) -> Held {
    Held {
        lease: block.lease,
        index: block.index,
        attempt: block.attempt,
    }
}
