"""A short schedule file with one task, from which tests make others by replacing text."""

from __future__ import annotations

BURN = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"  # any hotkey, with a right checksum

SMALL = """\
[sources.feed]
freshness = "live"
max_age_s = 14400
parameters = { words = ["a", "b"], limit = 3 }

[competitions.words]
id = 1
name = "WORDS"
delay_blocks = 1200
timeout_s = 20
epsilon = 0.01

[competitions.words.constraints]
max_parameters = 1000
max_bytes = 4000
max_tokens = 64
architectures = ["LlamaForCausalLM"]

[[competitions.words.tasks]]
name = "pairs"
source = "feed"
method = "reference_loss"
weight = 1.0
num_samples = 32

[competitions.other]
base = "words"
id = 2
name = "OTHER"
epsilon = { start = 0.05, stop = 0.01, decay_blocks = 7200 }

[[stages]]
from_block = 100
shares = { words = 0.75, other = 0.25 }
"""
