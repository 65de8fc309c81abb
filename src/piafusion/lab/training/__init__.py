"""Losses, data, settings and the training loop; needs the `train` extra."""
