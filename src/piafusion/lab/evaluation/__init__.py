"""What is done with scores and times: intervals that say how far they can be trusted."""
