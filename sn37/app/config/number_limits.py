"""Upper limits of numbers that users give; larger ones are meaningless or overflow."""

from __future__ import annotations

MAX_BLOCK = 2**32 - 1  # the chain counts blocks in 32 bits; at 12 s each they last 1,600 years
MAX_COUNT = 1_000_000  # samples, rounds, repetitions, steps
MAX_HOURS = 366 * 24
MAX_MINUTES = 60 * MAX_HOURS
MAX_DAYS = 36_600
MAX_THREADS = 256  # each thread of the scorer has its own stack
MAX_SEED = 2**63 - 1  # the largest whole number of TOML
YEARS = range(2000, 2200)  # of times: windows around them do not overflow
