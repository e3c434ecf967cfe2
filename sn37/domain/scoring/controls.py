"""Controls: texts of known entropy between a round's samples, which no sound model can beat.

A control is one of N equally likely texts, chosen by the round's seed. A model is a distribution
over texts given the context, so its probabilities of the N texts sum to at most 1. So the mean
of 2^(entropy - measured bits), with entropy = log2 N, is at most 1. The draws of a round are
independent, so the mean of their product is at most 1, too. By Markov's inequality the measured
bits of a round's controls are ``t`` bits or more below their entropy with probability at most
2^-t. By Ville's inequality the same holds for the lowest value after any number of controls, so
it may be checked after each block. The check finds every model whose losses are not -log p of a
distribution.

There are three kinds, with one control per block of samples, in a fixed order whose start the
seed decides: words of a response replaced by words of a list (12 bits each), a response with its
words shuffled (log2 of the number of distinct orders), and random letters (log2 26 each).

A control begins with ``NUM_LEADING`` words that are not drawn, so that a first token that only
serves as context costs nothing. It ends with the only full stop in it, so no text is the
beginning of another and the N texts are different outcomes. All words consist of letters, which
tokenizers keep. Any byte that a tokenizer loses is charged at eight bits (``sn37.adapters``), far
more than its entropy.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from sn37.domain.data.batches import SampleBlock, TaskBatch
from sn37.domain.data.samples import Sample
from sn37.domain.data.sampling import manifest_digest
from sn37.domain.ids import Digest, TaskName
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.control_words import WORDS
from sn37.domain.scoring.jobs import (
    BlockLosses,
    ControlKind,
    ControlLoss,
    Implementation,
    ScoringJob,
)

KINDS = (
    ControlKind.SUBSTITUTED,
    ControlKind.LETTERS,
    ControlKind.SUBSTITUTED,
    ControlKind.SHUFFLED,
)
NUM_LEADING = 2  # words at the beginning that are not drawn
NUM_SUBSTITUTED = 8  # drawn words, among NUM_KEPT unchanged ones
NUM_KEPT = 4
NUM_SHUFFLED = 14
NUM_GROUPS, GROUP_LETTERS = 6, 4  # of random letters
PROMPT_CHARS = 96  # a control's prompt is the beginning of a sample's
FILLER = "the"  # used where the responses of a block have too few words

WORD_BITS = 12.0  # log2 of the list's length
SUBSTITUTED_BITS = NUM_SUBSTITUTED * WORD_BITS
LETTERS_BITS = NUM_GROUPS * GROUP_LETTERS * math.log2(26)
MOST_SHUFFLED_BITS = math.log2(math.factorial(NUM_SHUFFLED))

# An honest model is accused in at most one of 10^9 rounds. Rounding may cost one bit and 0.1 %:
# the probabilities at one position sum to 1 within float32's precision, also over 500 positions.
LUCK_BITS = math.log2(1e9)
ROUNDING_BITS, ROUNDING_SHARE = 1.0, 0.001

_WORD = re.compile("[A-Za-z]{2,16}")
_Value = TypeVar("_Value")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A text that is scored like a sample, and the entropy of its draw."""

    kind: ControlKind
    prompt: str
    text: str
    entropy_bits: float


def controls_of(job: ScoringJob) -> Mapping[SampleBlock, tuple[Control, ...]]:
    """Return the controls of each block of a job, skipped blocks included.

    They depend on the samples only, so they are equal for every model of a round and when a
    receipt is scored again. A second opinion has none.

    The worker gets their texts, so these do not depend on which options are right (``choices``),
    nor on the rules that a generated answer is judged by.
    """
    if job.implementation is not Implementation.OURS:
        return dict.fromkeys(job.blocks(), ())
    seed = manifest_digest(job.batches)
    blind = manifest_digest(b for b in job.batches if b.method.traits.given_text is not None)
    batches = {batch.task: batch for batch in job.batches}
    return {
        block: tuple(
            _control(batches[block.task], block, kind, blind)
            for kind in due_kinds(number, batches[block.task].method, seed)
        )
        for number, block in enumerate(job.blocks())
    }


def has_controls(method: Method | None) -> bool:
    """True if a task of this method has controls between its samples."""
    return method is not None and method.traits.has_controls


def controls_in(
    blocks: Iterable[BlockLosses], methods: Mapping[TaskName, Method]
) -> tuple[ControlLoss, ...] | None:
    """Return all controls in the order of scoring.

    ``None`` if a version without controls scored a block.

    Args:
        methods: The method of every task.
    """
    found: list[ControlLoss] = []
    for block in blocks:
        if not block.controls and has_controls(methods.get(block.block.task)):
            return None
        found += block.controls
    return tuple(found)


def due_kinds(number: int, method: Method | None, seed: Digest) -> Sequence[ControlKind]:
    """Return the kinds of the controls of a round's block ``number``, in their order."""
    if not has_controls(method):
        return ()
    return (KINDS[(_below(_stream(seed, "kind"), len(KINDS)) + number) % len(KINDS)],)


def is_entropy(kind: ControlKind, bits: float) -> bool:
    """True if a control of this kind may have this entropy."""
    match kind:
        case ControlKind.SUBSTITUTED:
            return bits == SUBSTITUTED_BITS
        case ControlKind.LETTERS:
            return bits == LETTERS_BITS
        case _:
            return 0 <= bits <= MOST_SHUFFLED_BITS


def missing_bits(controls: Iterable[ControlLoss]) -> float:
    """Return by how many bits the controls are below what luck and rounding allow.

    0 or less means that they are not below.
    """
    measured = list(controls)
    entropy = math.fsum(c.entropy_bits for c in measured)
    allowed = LUCK_BITS + ROUNDING_BITS + ROUNDING_SHARE * entropy
    return entropy - math.fsum(c.measured_bits for c in measured) - allowed


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a control's text for comparison: letters only, in lower case."""
    return tuple(re.findall("[a-z]+", text.casefold()))


def _control(batch: TaskBatch, block: SampleBlock, kind: ControlKind, seed: Digest) -> Control:
    samples = batch.samples[block.first : block.stop]
    return _drawn(kind, samples, _stream(seed, f"{block.task}|{block.first}"))


def _drawn(kind: ControlKind, samples: Sequence[Sample], bits: Iterator[int]) -> Control:
    first = _below(bits, len(samples))
    turned = (*samples[first:], *samples[:first])
    prompt = turned[0].prompt[:PROMPT_CHARS]
    match kind:
        case ControlKind.SUBSTITUTED:
            words, entropy = _substituted(turned, bits), SUBSTITUTED_BITS
        case ControlKind.LETTERS:
            words, entropy = _letters(turned, bits), LETTERS_BITS
        case _:
            words, entropy = _shuffled(turned, bits)
    return Control(kind=kind, prompt=prompt, text=" ".join(words) + ".", entropy_bits=entropy)


def _substituted(samples: Sequence[Sample], bits: Iterator[int]) -> list[str]:
    words = _words(samples, NUM_LEADING + NUM_SUBSTITUTED + NUM_KEPT)
    places = list(range(NUM_LEADING, len(words)))
    _shuffle(places, bits)
    for place in sorted(places[:NUM_SUBSTITUTED]):
        words[place] = WORDS[_below(bits, len(WORDS))]
    return words


def _letters(samples: Sequence[Sample], bits: Iterator[int]) -> list[str]:
    groups = [
        "".join(_LETTERS[_below(bits, len(_LETTERS))] for _ in range(GROUP_LETTERS))
        for _ in range(NUM_GROUPS)
    ]
    return [*_words(samples, NUM_LEADING), *groups]


def _shuffled(samples: Sequence[Sample], bits: Iterator[int]) -> tuple[list[str], float]:
    """Return words in another order, and log2 of the number of distinct orders.

    Words that differ only in case count as equal, because a tokenizer may ignore case.
    """
    words = _words(samples, NUM_LEADING + NUM_SHUFFLED)
    mixed = words[NUM_LEADING:]
    _shuffle(mixed, bits)
    repeats = Counter(word.casefold() for word in mixed).values()
    orders = math.factorial(len(mixed)) // math.prod(map(math.factorial, repeats))
    return [*words[:NUM_LEADING], *mixed], math.log2(orders)


def _words(samples: Sequence[Sample], num_words: int) -> list[str]:
    """Return the first words of the responses, sample after sample."""
    found: list[str] = []
    for sample in samples:
        found += _WORD.findall(sample.reference[: 32 * num_words])
        if len(found) >= num_words:
            break
    return [*found, *[FILLER] * num_words][:num_words]


def _shuffle(values: list[_Value], bits: Iterator[int]) -> None:
    """Shuffle by Fisher and Yates: every order is equally likely."""
    for last in range(len(values) - 1, 0, -1):
        other = _below(bits, last + 1)
        values[last], values[other] = values[other], values[last]


def _below(numbers: Iterator[int], limit: int) -> int:
    """Return a number in ``[0, limit)``, all equally likely, by rejection sampling."""
    most = 2**32 // limit * limit
    return next(number for number in numbers if number < most) % limit


def _stream(seed: Digest, what: str) -> Iterator[int]:
    """Yield 32-bit numbers that depend on the seed and the purpose."""
    turn = 0
    while True:
        digest = sha256(f"sn37/controls/1|{seed}|{what}|{turn}".encode()).digest()
        turn += 1
        for start in range(0, len(digest), 4):
            yield int.from_bytes(digest[start : start + 4], "big")
