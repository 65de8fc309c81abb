"""Shared by all long work: a worker pool, progress, a journal of finished steps, and settings."""
