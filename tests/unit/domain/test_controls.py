"""Controls: what is drawn into them, and that no distribution costs less."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from hashlib import sha256
from itertools import product
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.data.sampling import manifest_digest
from sn37.domain.ids import TaskName
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring import controls
from sn37.domain.scoring.control_words import WORDS
from sn37.domain.scoring.controls import (
    Control,
    controls_in,
    controls_of,
    due_kinds,
    missing_bits,
    words_of,
)
from sn37.domain.scoring.jobs import ControlKind, ControlLoss, Implementation, ScoringJob
from sn37.testing.builders import a_batch, a_job, a_sample, an_artifact, hex_digest, losses

RESPONSE = "A response of ordinary words, 13 of them or MORE: like this one, isn't it? " * 3


def a_control_job(*responses: str, method: Method = Method.REFERENCE_LOSS) -> ScoringJob:
    samples = tuple(
        a_sample(f"row-{n}", prompt=f"prompt {n} " * 40, reference=text)
        for n, text in enumerate(responses or [f"{RESPONSE} {n}" for n in range(64)])
    )
    return a_job(batches=(a_batch("text", method=method, samples=samples),))


def all_of(job: ScoringJob) -> list[Control]:
    return [control for found in controls_of(job).values() for control in found]


def drawn_words(control: Control) -> tuple[str, ...]:
    return words_of(control.text)[controls.NUM_LEADING :]


def test_the_list_has_4096_different_words_of_small_letters_and_never_changes() -> None:
    assert len(set(WORDS)) == len(WORDS) == 2**controls.WORD_BITS
    assert all(3 <= len(word) <= 8 and word.isascii() and word.islower() for word in WORDS)
    assert (
        sha256(" ".join(WORDS).encode()).hexdigest()
        == "eb6a61761eececc018ff2c029a1300129abb4124472af8f91951b2476c081add"
    )


def test_every_block_has_one_control_and_four_in_a_row_are_of_all_kinds() -> None:
    found = controls_of(a_control_job())
    assert [len(held) for held in found.values()] == [1] * 4
    assert {held[0].kind for held in found.values()} == set(ControlKind)


def test_controls_are_the_same_for_every_model_and_wherever_a_job_goes_on() -> None:
    job = a_control_job()
    other = replace(job, artifact=an_artifact(path=PurePath("elsewhere")), skip_blocks=2)
    assert controls_of(job) == controls_of(other)


def test_other_samples_have_other_controls_and_a_second_opinion_has_none() -> None:
    job = a_control_job()
    ours, others = all_of(job), all_of(a_control_job(*[RESPONSE] * 64))
    assert not {c.text for c in ours} & {c.text for c in others}
    assert all_of(replace(job, implementation=Implementation.PLAIN)) == []


def test_a_task_without_losses_of_text_has_no_controls() -> None:
    assert all_of(a_control_job(method=Method.MULTIPLE_CHOICE)) == []


def test_what_was_drawn_can_be_read_off_the_text() -> None:
    for control in all_of(a_control_job()):
        assert control.text.count(".") == 1
        assert control.text.endswith(".")
        assert len(control.prompt) == controls.PROMPT_CHARS
        words = drawn_words(control)
        match control.kind:
            case ControlKind.SUBSTITUTED:
                assert len(words) == controls.NUM_SUBSTITUTED + controls.NUM_KEPT
                assert sum(word in set(WORDS) for word in words) >= controls.NUM_SUBSTITUTED
                assert control.entropy_bits == 96
            case ControlKind.LETTERS:
                assert [len(word) for word in words] == [controls.GROUP_LETTERS] * 6
                assert control.entropy_bits == pytest.approx(24 * math.log2(26))
            case _:
                assert set(words) <= set(words_of(RESPONSE))
                assert len(words) == controls.NUM_SHUFFLED
        assert controls.is_entropy(control.kind, control.entropy_bits)


def test_a_shuffle_is_worth_the_number_of_its_distinct_orders() -> None:
    for text, orders in (
        ("zero one " + "the " * 20, 1),
        ("zero one " + "The the " * 10, 1),  # capitals may be lost on a tokenizer
        ("zero one " + "word " * 13 + "other", 14),
        ("zero one " + " ".join("abcdefghijklmn"[i] * 2 for i in range(14)), math.factorial(14)),
    ):
        found = [c for c in all_of(a_control_job(*[text] * 64)) if c.kind is ControlKind.SHUFFLED]
        assert [c.entropy_bits for c in found] == [math.log2(orders)] * len(found)


@pytest.mark.parametrize("text", ["", "\u6f22\u5b57", "<s></s> <|end|>", "1 2 3", "a \ud7ff b"])
def test_responses_without_words_have_controls_of_the_same_worth(text: str) -> None:
    kinds = {c.kind: c.entropy_bits for c in all_of(a_control_job(*[text] * 64))}
    assert kinds[ControlKind.SUBSTITUTED] == controls.SUBSTITUTED_BITS
    assert kinds[ControlKind.LETTERS] == controls.LETTERS_BITS
    assert kinds[ControlKind.SHUFFLED] == 0
    assert all("<" not in c.text and c.text.isascii() for c in all_of(a_control_job(*[text] * 64)))


@given(st.lists(st.text(max_size=60), min_size=1, max_size=40))
def test_whatever_the_responses_are_a_text_says_what_was_drawn(responses: list[str]) -> None:
    job = a_control_job(*responses)
    assert all_of(job) == all_of(job)
    seed = manifest_digest(job.batches)
    for number, held in enumerate(controls_of(job).values()):
        kinds = due_kinds(number, Method.REFERENCE_LOSS, seed)
        assert [c.kind for c in held] == list(kinds)
        for control in held:
            assert control.text == " ".join(control.text[:-1].split(" ")) + "."
            assert " ".join(words_of(control.text)) == control.text[:-1].casefold()
            assert controls.is_entropy(control.kind, control.entropy_bits)


def test_draws_are_uniform() -> None:
    counts = [0] * 26
    for n in range(400):
        job = a_control_job(*[f"response number {n}"] * 64)
        for control in all_of(job):
            if control.kind is ControlKind.LETTERS:
                for letter in "".join(drawn_words(control)):
                    counts[ord(letter) - ord("a")] += 1
    mean = sum(counts) / 26
    chi_square = sum((count - mean) ** 2 / mean for count in counts)
    assert chi_square < 60  # 25 degrees of freedom: beyond 60 once in 10,000


@pytest.mark.parametrize(
    ("kind", "bits", "is_due"),
    [
        (ControlKind.SUBSTITUTED, 96.0, True),
        (ControlKind.SUBSTITUTED, 95.0, False),
        (ControlKind.LETTERS, controls.LETTERS_BITS, True),
        (ControlKind.LETTERS, 10.0, False),
        (ControlKind.SHUFFLED, 0.0, True),
        (ControlKind.SHUFFLED, controls.MOST_SHUFFLED_BITS, True),
        (ControlKind.SHUFFLED, 99.0, False),
        (ControlKind.SHUFFLED, -1.0, False),
    ],
)
def test_an_entropy_that_no_control_has_is_recognised(
    kind: ControlKind, bits: float, is_due: bool
) -> None:
    assert controls.is_entropy(kind, bits) is is_due


def measured(entropy: float, cost: float) -> ControlLoss:
    return ControlLoss(ControlKind.SUBSTITUTED, entropy, cost)


def test_t50_measured_bits_may_lie_under_the_entropy_by_luck_and_no_more() -> None:
    assert missing_bits([]) < 0
    assert missing_bits([measured(96, 97)]) < 0
    assert missing_bits([measured(96, 96 - 30)]) < 0
    assert missing_bits([measured(96, 96 - 32)]) > 0
    assert missing_bits([measured(96, 90)] * 4) < 0
    assert missing_bits([measured(96, 84)] * 4) > 0
    assert missing_bits([measured(96, 0.0)]) > 0


def test_the_bound_holds_exactly_for_every_distribution_over_a_small_set() -> None:
    """Three words of four, all 64 texts: how often luck exceeds t bits, against 2^-t."""
    drawn = random.Random(1)
    texts = list(product(range(4), repeat=3))
    for _ in range(200):
        tables = {
            prefix: [drawn.expovariate(1.0) ** drawn.choice((1, 4, 12)) + 1e-12 for _ in range(4)]
            for length in range(3)
            for prefix in product(range(4), repeat=length)
        }
        costs = []
        for text in texts:
            cost = 0.0
            for position, word in enumerate(text):
                weights = tables[text[:position]]
                cost -= math.log2(weights[word] / sum(weights))
            costs.append(cost)
        assert math.fsum(2 ** (6 - cost) for cost in costs) / 64 == pytest.approx(1.0)
        for luck in (0.5, 1, 2, 3, 5):
            share = sum(cost <= 6 - luck for cost in costs) / 64
            assert share <= 2**-luck + 1e-9


def test_t50_honest_models_are_not_flagged_in_ten_thousand_rounds() -> None:
    """The best models there can be: they know exactly how controls are drawn, or guess luckily."""
    drawn = random.Random(7)
    flagged = 0
    for _ in range(10_000):
        sharpness = drawn.choice((0.0, 0.5, 1.0, 2.0))
        found = []
        for _ in range(20):
            # A bet on half of all words with most of the mass: won or lost word by word.
            mass = 0.5 + 0.49 * sharpness / 2
            won = drawn.getrandbits(controls.NUM_SUBSTITUTED).bit_count()
            lost = controls.NUM_SUBSTITUTED - won
            bits = -won * math.log2(mass / 2048) - lost * math.log2((1 - mass) / 2048)
            found.append(measured(controls.SUBSTITUTED_BITS, bits))
            if missing_bits(found) > 0:
                flagged += 1
                break
    assert flagged == 0


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 0.5, 0.7])
def test_t50_a_forged_loss_is_found_within_a_few_blocks(share: float) -> None:
    """Of a model that pays 13 bits a word and 5.2 a letter, as those of some size do."""
    costs = {
        ControlKind.SUBSTITUTED: (96.0, 13 * 8 + 20),
        ControlKind.LETTERS: (controls.LETTERS_BITS, 5.2 * 24 + 12),
        ControlKind.SHUFFLED: (36.0, 130.0),
    }
    found: list[ControlLoss] = []
    for number in range(20):
        kind = controls.KINDS[number % 4]
        entropy, cost = costs[kind]
        found.append(ControlLoss(kind, entropy, cost * share))
        if missing_bits(found) > 0:
            break
    assert missing_bits(found) > 0
    assert len(found) <= (4 if share <= 0.5 else 20)


def test_blocks_that_a_version_without_controls_scored_make_a_round_without_any() -> None:
    methods = {TaskName("text"): Method.TEXT_LOSS, TaskName("quiz"): Method.MULTIPLE_CHOICE}
    cost = measured(96, 110)
    scored = replace(losses(task="text"), controls=(cost,))
    quiz = losses(task="quiz")
    assert controls_in([scored, quiz, scored], methods) == (cost, cost)
    assert controls_in([scored, losses(task="text", first=16)], methods) is None
    assert controls_in([], methods) == ()
    assert controls_in([losses(task="stranger")], methods) == ()


def test_the_seed_says_where_the_order_of_kinds_begins() -> None:
    begun = {due_kinds(0, Method.TEXT_LOSS, hex_digest(f"seed {n}"))[0] for n in range(40)}
    assert begun == set(ControlKind)
