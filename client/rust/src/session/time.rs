//! What time brings: heartbeats, silence, leases that end.

use super::*;
use crate::messages::ping;

const SILENCE_MS: i64 = 10_000;
const SILENCE_MIN_MS: i64 = 500;
const PINGS_KEPT: usize = 64;

impl Session {
    /// Looks at the clock. Returns when to look again, at the latest.
    pub(crate) fn tick(&mut self, now: i64) -> i64 {
        if self.end.is_some() {
            return now + 1000;
        }
        // Time in which this process or machine was stopped does not count as silence.
        self.silence += (now - self.ticked_at).clamp(0, 1000);
        self.ticked_at = now;
        let limit = if self.was_welcome {
            self.lost_ms
        } else {
            self.connect_ms
        };
        if self.silence >= limit {
            let text = format!("no broker answers for {} s", limit as f64 / 1000.0);
            self.fail(Error::NoBroker(text));
            return now;
        }
        self.mind_leases(now);
        self.mind_silence(now, limit);
        self.shed(now);
        self.next_look(now)
    }

    fn next_look(&self, now: i64) -> i64 {
        let mut next = now + 250;
        if self.welcome && self.beat_ms > 0 {
            next = next.min(self.pinged_at + self.beat_ms);
        }
        if !self.stock.is_empty() && self.is_working() {
            next = next.min(self.ahead.shed_at().unwrap_or(next));
        }
        next.max(now)
    }

    /// When leases have ended that were not begun, the worker says so, and goes on.
    fn mind_leases(&mut self, now: i64) {
        let is_idle = self.welcome && self.in_hand.is_empty();
        if is_idle && self.is_over(now) && !self.stock.is_empty() {
            self.stock.clear();
            self.say_hello(now);
        }
    }

    /// The leases have ended, as far as this worker knows. Blocks that came now could not be begun.
    pub(super) fn is_over(&self, now: i64) -> bool {
        self.deadline.map_or(false, |deadline| now >= deadline)
    }

    fn silence_ms(&self, limit: i64) -> i64 {
        let by_lease = (self.lease_ms / 4).max(SILENCE_MIN_MS);
        let wait = if self.lease_ms > 0 {
            by_lease.min(SILENCE_MS)
        } else {
            SILENCE_MS
        };
        wait.min(limit)
    }

    fn mind_silence(&mut self, now: i64, limit: i64) {
        let wait = self.silence_ms(limit);
        if self.silence - self.opened_silence >= 2 * wait {
            // libzmq may have given the endpoint up, because another program listened there.
            self.opened_silence = self.silence;
            self.out.clear();
            self.reopen = true;
            self.say_hello(now);
        } else if !self.welcome && now - self.hello_at >= wait {
            self.say_hello(now);
        } else if self.welcome {
            let beat = if self.beat_ms > 0 { self.beat_ms } else { wait };
            if now - self.pinged_at >= beat && (self.beat_ms > 0 || self.silence >= wait) {
                self.ping(now);
            }
        }
    }

    pub(super) fn ping(&mut self, now: i64) {
        self.nonce += 1;
        self.pinged_at = now;
        self.pings.push_back((self.nonce, now));
        if self.pings.len() > PINGS_KEPT {
            self.pings.pop_front();
        }
        self.out.push(ping(self.nonce));
    }

    fn shed(&mut self, now: i64) {
        let is_due = self.ahead.shed_at().map_or(false, |at| now >= at);
        if is_due && self.is_working() && self.takers == 0 && !self.stock.is_empty() {
            self.ahead.shed();
            self.return_stock();
        }
    }
}
