"""The numbers that lm-evaluation-harness reports, beside ours, of the same losses.

Its definitions, as of version 0.4: a task of the kind ``loglikelihood_rolling`` gives for each text
its log-likelihood in nats and a count, of words (``re.split(r"\\s+", text)``) or of bytes in UTF-8
(``lm_eval/api/task.py``, ``process_results``). Both are summed over all texts, and the first sum
is divided by the second (``lm_eval/api/metrics.py``, ``weighted_mean``, ``weighted_perplexity``,
``bits_per_byte``). Written out here, so that nothing depends on the package.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from sn37.app.rounds.outcomes import entry_result
from sn37.domain.schedule.methods import Method
from sn37.testing.builders import (
    a_commitment,
    a_competition,
    a_submission,
    a_task,
    an_outcome,
    losses,
)

MINER = Path(__file__).parents[3] / "docs" / "miner.md"
SHORT = "Ten bytes."
LONG = "This text has ninety bytes; a model finds it twice as easy as the short one, by the byte."
TEXTS = {SHORT: 4.0, LONG + ".": 2.0}  # bits per byte of each


def nats(text: str, bits_per_byte: float) -> float:
    """The log-likelihood of a text, as the harness has it."""
    return -bits_per_byte * len(text.encode()) * math.log(2)


def weighted_mean(items: Sequence[tuple[float, int]]) -> float:
    return sum(a for a, _ in items) / sum(b for _, b in items)


def harness_bits_per_byte(texts: dict[str, float]) -> float:
    items = [(nats(text, bits), len(text.encode("utf-8"))) for text, bits in texts.items()]
    return -weighted_mean(items) / math.log(2)


def harness_byte_perplexity(texts: dict[str, float]) -> float:
    items = [(nats(text, bits), len(text.encode("utf-8"))) for text, bits in texts.items()]
    return math.exp(-weighted_mean(items))


def harness_word_perplexity(texts: dict[str, float]) -> float:
    items = [(nats(text, bits), len(re.split(r"\s+", text))) for text, bits in texts.items()]
    return math.exp(-weighted_mean(items))


def our_score(texts: dict[str, float]) -> float:
    """What the table of a round shows of a task whose samples have these losses."""
    rules = a_competition(tasks=(a_task(method=Method.TEXT_LOSS, num_samples=len(texts)),))
    commitment = a_commitment("alice")
    row = entry_result(
        a_submission(commitment), an_outcome(commitment.key), (losses(*texts.values()),), rules
    )
    (task,) = row.tasks
    return task.raw


def test_the_example_in_the_miners_guide_is_what_both_programs_report() -> None:
    assert [len(text.encode()) for text in TEXTS] == [10, 90]
    assert our_score(TEXTS) == pytest.approx(3.0)
    assert harness_bits_per_byte(TEXTS) == pytest.approx(2.2)
    assert harness_byte_perplexity(TEXTS) == pytest.approx(2**2.2)
    assert harness_byte_perplexity(TEXTS) == pytest.approx(4.59, abs=0.005)
    words = len(SHORT.split()) + len(LONG.split())
    assert math.log2(harness_word_perplexity(TEXTS)) == pytest.approx(220 / words)
    text = " ".join(MINER.read_text(encoding="utf-8").split())
    assert "a sample of 10 bytes at 4 bits and one of 90 bytes at 2 bits" in text
    assert "give a score of 3.0 here and 2.2 there" in text
    assert "`byte_perplexity` of 4.59" in text


def test_texts_of_one_length_have_one_number_in_both() -> None:
    texts = {f"sixteen bytes {n:02}": 1.5 + n / 8 for n in range(16)}
    assert our_score(texts) == pytest.approx(harness_bits_per_byte(texts))


def test_letters_outside_ascii_count_by_their_bytes_in_both() -> None:
    texts = {"größer": 3.0, "plain": 1.0}
    assert harness_bits_per_byte(texts) == pytest.approx((8 * 3.0 + 5 * 1.0) / 13)
    assert our_score(texts) == pytest.approx(2.0)
