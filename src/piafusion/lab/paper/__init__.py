"""The experiments of the paper, done again: tables, figures, and verdicts on its claims."""
