//! How many blocks a worker has in stock while it works on one (WORKERS.md, "Blocks in advance").
//!
//! Blocks that take microseconds are asked for many at a time, so that the way to the broker and
//! back costs nothing: the stock is what takes about a millisecond to work off. When a block takes
//! longer than those before it, the stock goes back, so that no block waits behind it.

use crate::options::Prefetch;

const STOCK_MAX: u32 = 127;
const FIXED_MAX: u32 = 1023;
const STOCK_US: f64 = 1000.0; // what a stock is to be worth
const SHED_MS: i64 = 20;
const NEW_WEIGHT: f64 = 0.25; // of the latest block in the mean

pub(crate) struct Stock {
    /// The user says nothing, so that the task may.
    is_open: bool,
    fixed: Option<u32>,
    size: u32,
    mean_us: Option<f64>,
    begun: Option<(i64, std::time::Instant)>,
    at_once: u32,
}

impl Stock {
    pub(crate) fn new(prefetch: Prefetch) -> Stock {
        let fixed = match prefetch {
            Prefetch::Auto | Prefetch::Task => None,
            Prefetch::Blocks(blocks) => Some(blocks),
        };
        Stock {
            is_open: prefetch == Prefetch::Task,
            fixed,
            size: fixed.unwrap_or(0),
            mean_us: None,
            begun: None,
            at_once: 0,
        }
    }

    /// How many blocks to ask for in advance.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// What the task says; none: nothing.
    pub(crate) fn told(&mut self, blocks: Option<u32>) {
        if self.is_open && self.fixed != blocks {
            self.fixed = blocks.map(|blocks| blocks.min(FIXED_MAX));
            self.size = self.fixed.unwrap_or(0);
        }
    }

    /// The broker allows fewer.
    pub(crate) fn give_up(&mut self) {
        self.is_open = false;
        self.fixed = Some(0);
        self.size = 0;
    }

    pub(crate) fn block_begins(&mut self, now_ms: i64) {
        self.at_once += 1;
        self.begun = Some((now_ms, std::time::Instant::now()));
        if self.at_once > 1 && self.fixed.is_none() {
            self.size = 0; // with several blocks at once nothing is known of what one takes
        }
    }

    pub(crate) fn block_ends(&mut self) {
        self.at_once = self.at_once.saturating_sub(1);
        if let (0, Some((_, begun))) = (self.at_once, self.begun.take()) {
            self.note(begun.elapsed().as_secs_f64() * 1e6);
        }
    }

    fn note(&mut self, us: f64) {
        if self.fixed.is_some() {
            return;
        }
        let mean = match self.mean_us {
            Some(mean) if us <= STOCK_US => mean + NEW_WEIGHT * (us - mean),
            _ => us,
        };
        self.mean_us = Some(mean);
        let fitting = (STOCK_US / mean.max(1e-3)).min(f64::from(STOCK_MAX)) as u32;
        self.size = fitting.min(2 * self.size + 1); // slowly, so that a short job is shared by all
    }

    /// When the stock is to go back if the block in hand still runs then, in boot time.
    pub(crate) fn shed_at(&self) -> Option<i64> {
        self.begun
            .filter(|_| self.fixed.is_none())
            .map(|(begun, _)| begun + SHED_MS)
    }

    pub(crate) fn shed(&mut self) {
        self.size = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_blocks_are_short_and_ends_with_a_long_one() {
        let mut stock = Stock::new(Prefetch::Auto);
        let mut sizes = vec![];
        for _ in 0..9 {
            stock.note(1.0);
            sizes.push(stock.size());
        }
        assert_eq!(sizes, [1, 3, 7, 15, 31, 63, 127, 127, 127]);
        stock.note(300.0);
        assert_eq!(stock.size(), 13); // a millisecond's worth of the mean, 75.75 us
        stock.note(5000.0);
        assert_eq!(stock.size(), 0);
    }

    #[test]
    fn a_fixed_one_neither_grows_nor_goes_back() {
        let mut stock = Stock::new(Prefetch::Blocks(64));
        stock.block_begins(1000);
        assert_eq!((stock.size(), stock.shed_at()), (64, None));
        stock.note(1e6);
        assert_eq!(stock.size(), 64);
    }

    #[test]
    fn the_task_has_a_say_where_the_user_has_none() {
        for (prefetch, size) in [
            (Prefetch::Task, 8),
            (Prefetch::Auto, 0),
            (Prefetch::Blocks(3), 3),
        ] {
            let mut stock = Stock::new(prefetch);
            stock.told(Some(8));
            assert_eq!(stock.size(), size);
        }
    }

    #[test]
    fn it_goes_back_20_ms_after_a_block_has_begun() {
        let mut stock = Stock::new(Prefetch::Auto);
        assert_eq!(stock.shed_at(), None);
        stock.block_begins(1000);
        assert_eq!(stock.shed_at(), Some(1020));
        stock.block_ends();
        assert_eq!(stock.shed_at(), None);
    }
}
