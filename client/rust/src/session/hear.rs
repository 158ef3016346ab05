//! What a worker does with what comes: the table of WORKERS.md.

use super::*;

impl Session {
    /// A message has come.
    pub(crate) fn hear(&mut self, message: FromBroker, now: i64) {
        if self.end.is_some() {
            return;
        }
        self.silence = 0;
        self.opened_silence = 0;
        match message {
            FromBroker::Welcome(welcome) if !self.welcome => self.be_welcomed(welcome, now),
            FromBroker::Work(blocks) if self.welcome => self.store(blocks),
            FromBroker::Committed { leases, dropped } => {
                for lease in leases.iter().chain(&dropped) {
                    self.results.remove(lease);
                }
            }
            FromBroker::Recall { keep } if self.welcome => self.give_back_newest(keep),
            FromBroker::Pong { nonce } => self.renew(nonce),
            FromBroker::Drain { reason } => {
                self.no_more.get_or_insert(reason);
                self.drains = true;
                self.wanted = 0;
                self.return_stock();
                self.end_if_idle(now);
            }
            FromBroker::Leave { reason } => {
                self.lose_all(now);
                self.left = true;
                self.out.push(bye(&reason));
                self.end = Some(End::Left(reason));
            }
            FromBroker::Error { code, message, .. } => self.hear_error(code, message, now),
            _ => {}
        }
    }

    fn be_welcomed(&mut self, welcome: Welcome, now: i64) {
        if welcome.version != 1 {
            let text = format!(
                "the broker speaks version {} of the protocol; 1 is expected",
                welcome.version
            );
            self.out.push(bye(&text));
            return self.fail(Error::Refused {
                code: Code::Version,
                message: text,
            });
        }
        self.welcome = true;
        self.was_welcome = true;
        self.me.worker = welcome.worker;
        self.me.job = welcome.job;
        self.me.task = welcome.task;
        self.slot = welcome.slot;
        self.durable = welcome.durable;
        self.ahead.told(welcome.prefetch);
        self.keep_only(&welcome.held, now);
        self.pinged_at = now;
        self.beat_ms = i64::from(welcome.heartbeat_ms);
        self.lease_ms = i64::from(welcome.lease_ms);
        self.deadline = match self.lease_ms {
            0 => None,
            _ => self
                .deadline
                .max(Some(self.asked_at + promised(self.lease_ms))),
        };
        self.unsent = self.results.values().cloned().collect();
        if self.is_over(now) {
            self.ping(now); // the hello was long unanswered; the pong says how long leases last now
        }
        if !self.durable {
            self.results.clear();
        }
        if self.no_more.is_some() {
            self.return_stock();
        }
        self.end_if_idle(now);
    }

    /// Forgets the leases that are somebody else's by now.
    fn keep_only(&mut self, held: &[u64], now: i64) {
        self.stock.retain(|block| held.contains(&block.lease));
        self.results.retain(|lease, _| held.contains(lease));
        for (lease, in_hand) in &self.in_hand {
            if !held.contains(lease) && !in_hand.lost.swap(true, Ordering::SeqCst) {
                self.condemned_at.get_or_insert(now + LOST_GRACE_MS);
            }
        }
    }

    fn store(&mut self, blocks: Vec<Leased>) {
        self.wanted = self.wanted.saturating_sub(blocks.len() as u32);
        self.stock.extend(blocks);
        if self.no_more.is_some() {
            self.return_stock();
        }
    }

    /// Others wait for blocks: this worker keeps `keep` of them, and all that it has begun.
    fn give_back_newest(&mut self, keep: u32) {
        let kept = (keep.max(1) as usize).saturating_sub(self.in_hand.len());
        if kept < self.stock.len() {
            let newest = self.stock.split_off(kept);
            self.unsent.extend(
                newest
                    .iter()
                    .map(|block| (held_of(block), Outcome::Returned)),
            );
        }
    }

    fn renew(&mut self, nonce: u64) {
        while let Some((number, sent)) = self.pings.front().copied() {
            if number > nonce {
                break;
            }
            self.pings.pop_front();
            if number == nonce && self.lease_ms > 0 && self.welcome {
                self.deadline = self.deadline.max(Some(sent + promised(self.lease_ms)));
            }
        }
    }

    fn hear_error(&mut self, code: Code, message: String, now: i64) {
        let is_last = matches!(
            code,
            Code::Unauthorized
                | Code::UnknownJob
                | Code::UnknownTask
                | Code::Version
                | Code::WrongRole
        );
        match code {
            Code::HelloFirst if self.welcome => self.say_hello(now),
            Code::HelloFirst => {}
            Code::UnknownWorker if self.me.worker != self.given => self.begin_anew(now),
            Code::Limit if self.welcome => {
                self.ahead.give_up();
                self.wanted = 0;
                self.quiet_until = now + LIMIT_PAUSE_MS;
                self.notices.push(message);
            }
            _ if is_last || !self.welcome || code == Code::UnknownWorker => {
                self.lose_all(now);
                self.fail(Error::Refused { code, message });
            }
            _ => self
                .notices
                .push(Error::Refused { code, message }.to_string()),
        }
    }

    /// The broker has given this worker up: it comes as a new one.
    fn begin_anew(&mut self, now: i64) {
        self.lose_all(now);
        self.me.worker = self.given;
        self.me.session = (self.new_session)();
        self.me.greeting = 0;
        self.say_hello(now);
        if self.no_more.is_some() {
            self.drains = false;
            self.end_if_idle(now);
        }
    }
}

/// How long leases surely last after what was answered was sent; clocks differ, and to be killed
/// takes time.
fn promised(lease_ms: i64) -> i64 {
    lease_ms - lease_ms / 100 - (lease_ms / 10).min(500)
}
