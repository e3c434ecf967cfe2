"""How large a number may be that somebody gives: larger ones mean nothing, or overflow."""

from __future__ import annotations

MAX_BLOCK = 2**32 - 1  # the chain counts blocks in 32 bits; at 12 s each they last 1,600 years
MAX_COUNT = 1_000_000  # samples, rounds, repetitions, steps
MAX_HOURS = 366 * 24
MAX_MINUTES = 60 * MAX_HOURS
MAX_DAYS = 36_600
MAX_THREADS = 256  # each has a stack of its own in the scorer
MAX_SEED = 2**63 - 1  # the largest whole number of TOML
YEARS = range(2000, 2200)  # of moments: windows around them can be computed
