"""The experiments of the paper, done again: tables, figures, and what becomes of its claims."""
