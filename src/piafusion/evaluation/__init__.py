"""What is done with scores: intervals that say how far they can be trusted."""
