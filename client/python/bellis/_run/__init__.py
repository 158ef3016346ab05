"""A run with worker processes: its broker, its launcher, and the processes that it forks."""
