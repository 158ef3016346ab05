"""A worker: it takes leases from the broker, keeps them alive, and hands results in."""
