"""What a run shows and logs: progress, failures, deaths of workers, the summary."""
