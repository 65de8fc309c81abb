"""How far results may be apart, in one place, by what limits them."""

FLOAT32 = 1e-6
"""A few roundings of float32 numbers around 1."""

FLOAT32_SUMS = 1e-5
"""Sums of many float32 numbers, in another order."""

ENGINES = 1 / 255
"""Two engines running the same network: less than one grey level of 8 bits."""

HALF_GREY_LEVEL = 0.5 / 255 + 1e-6
"""Rounding to 8 bits."""
