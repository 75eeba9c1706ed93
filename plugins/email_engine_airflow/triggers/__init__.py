"""What waits without a worker: triggers of the pipelines."""
