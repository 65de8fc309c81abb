"""What long work shares: a worker pool, progress, a journal of finished steps, and settings."""
