"""How long work runs: one ordered pool, processes that can be killed, one way to show progress."""
