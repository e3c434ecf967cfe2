"""Greedy answers: the model's own, the same in every company, and ended by fixed rules alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from sn37.adapters.scoring.model.answering.cache import CHUNK, KeyValueCache, Places
from sn37.adapters.scoring.model.answering.generation import Answer, Generator, Prompt
from sn37.adapters.scoring.model.answering.stopping import Stops
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.plain import PlainModel
from sn37.domain.scoring.generated_answers import BYTES_PER_TOKEN
from sn37.testing.tiny_models import VOCABULARY
from tests.integration.scorer.textbook import FAMILIES, a_model
from tests.integration.scorer.windowed import WINDOWED
from tests.support.device import DEVICE

NOTHING = Stops(tokens=frozenset())
CASES: list[tuple[str, dict[str, Any]]] = [(family, {}) for family in FAMILIES] + list(
    WINDOWED.items()
)
NAMES = [family + ("-windowed" if shape else "") for family, shape in CASES]


def some_ids(length: int, seed: int) -> tuple[int, ...]:
    drawn = torch.randint(2, VOCABULARY, (length,), generator=torch.Generator().manual_seed(seed))
    return tuple(drawn.tolist())


LONG = some_ids(2 * CHUNK + 5, seed=3)
PROMPTS = tuple(
    Prompt(ids=ids, budget=budget)
    for ids, budget in (
        (some_ids(3, seed=1), 66),  # its answer needs a second chunk
        (some_ids(CHUNK, seed=2), 12),
        (LONG, 20),
        (LONG[: CHUNK + 9] + some_ids(30, seed=4), 9),  # shares a chunk with the one before
        (LONG, 7),
        (some_ids(1, seed=5), 30),
        (some_ids(CHUNK + 1, seed=6), 1),
        (some_ids(40, seed=7), 25),
    )
)


def spelt(ids: Sequence[int]) -> str:
    """Two letters for each token."""
    return "".join(chr(97 + n % 26) + chr(97 + n // 26) for n in ids)


def answers(
    model: LossModel, prompts: Sequence[Prompt], stops: Stops = NOTHING, **given: Any
) -> list[Answer]:
    return Generator(model, stops, spelt, **given).answers(prompts)


def by_hand(model: PreTrainedModel, prompt: Prompt) -> str:
    """The whole text again for every token, through transformers' own forward."""
    ids = list(prompt.ids)
    for _ in range(prompt.budget):
        with torch.no_grad():
            logits = model(torch.tensor([ids], device=model.device), use_cache=False).logits[0, -1]
        ids.append(int(logits.argmax()))
    return spelt(ids[len(prompt.ids) :])


@pytest.mark.parametrize(("family", "shape"), CASES, ids=NAMES)
def test_an_answer_is_the_models_own_alone_and_in_every_company(
    tmp_path: Path, family: str, shape: dict[str, Any]
) -> None:
    # Tied, Gemma's embeddings of random weights repeat the last token for ever.
    model = a_model(tmp_path, family, **{"tie_word_embeddings": False, **shape})
    expected = [by_hand(model, prompt) for prompt in PROMPTS]
    assert len(set(expected[0])) > 4
    scorer = LossModel(model)
    together = answers(scorer, PROMPTS)
    assert [answer.text for answer in together] == expected
    assert [len(answer.ids) for answer in together] == [p.budget for p in PROMPTS]
    assert together == [answers(scorer, [prompt])[0] for prompt in PROMPTS]
    assert together == answers(scorer, PROMPTS, cache_bytes=1)  # one slot
    assert (together * 3)[::-1] == answers(scorer, (PROMPTS * 3)[::-1])  # more than a batch


@pytest.mark.parametrize("family", FAMILIES)
def test_the_library_gives_the_same_answers_whatever_a_folder_says(
    tmp_path: Path, family: str
) -> None:
    model = a_model(tmp_path, family, tie_word_embeddings=False)
    kept = {"repetition_penalty": 1.5, "min_new_tokens": 30, "eos_token_id": [7, 8, 9]}
    for name, value in kept.items():
        setattr(model.generation_config, name, value)
    prompts = PROMPTS[1:]
    whole = PlainModel(model).answers(prompts, NOTHING, spelt)
    stop, text = whole[1].ids[5], whole[4].text[10:13]
    by_token, by_text = Stops(tokens=frozenset({stop})), Stops(tokens=frozenset(), texts=(text,))
    before = whole[1].ids[: whole[1].ids.index(stop)]
    assert PlainModel(model).answers(prompts, by_token, spelt)[1].text == spelt(before)
    end = whole[4].text.index(text)
    assert PlainModel(model).answers(prompts, by_text, spelt)[4].text == whole[4].text[:end]
    prompts = (*prompts, Prompt(ids=(), budget=3))
    stops = Stops(tokens=frozenset({stop}), texts=(text,))
    found = PlainModel(model).answers(prompts, stops, spelt)
    ours = answers(LossModel(model), prompts, stops)
    assert [answer.text for answer in ours] == [answer.text for answer in found]


@pytest.mark.parametrize("family", FAMILIES)
def test_even_the_last_bits_do_not_depend_on_the_company(
    tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = LossModel(a_model(tmp_path, family))
    seen: list[torch.Tensor] = []
    head = scorer.head.logits

    def look(hidden: torch.Tensor) -> torch.Tensor:
        seen.append(head(hidden))
        return seen[-1]

    monkeypatch.setattr(scorer.head, "logits", look)
    answers(scorer, [PROMPTS[0]])
    alone = [logits[0] for logits in seen]
    seen.clear()
    answers(scorer, [PROMPTS[0], *PROMPTS[2:]])
    others = len(PROMPTS[2:])  # their first tokens
    together = [seen[0][0], *(logits[0] for logits in seen[1 + others :])]
    assert len(alone) == PROMPTS[0].budget
    assert all(map(torch.equal, alone, together))


def watched(
    prompt: Callable[[KeyValueCache, Places], None], read: list[Places]
) -> Callable[[KeyValueCache, Places], None]:
    def look(cache: KeyValueCache, places: Places) -> None:
        read.append(places)
        prompt(cache, places)

    return look


def test_a_chunk_that_two_prompts_share_is_computed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = LossModel(a_model(tmp_path, "llama"))
    read: list[Places] = []
    monkeypatch.setattr(KeyValueCache, "prompt", watched(KeyValueCache.prompt, read))
    answers(scorer, [Prompt(ids=LONG, budget=1)] * 4)
    found = [(row.first, row.stop) for row in read]
    assert found == [(0, 1), (1, 2), (2, 3)] + 3 * [(2, 3)] or DEVICE == "cuda"


def constant(model: PreTrainedModel, bias: torch.Tensor) -> LossModel:
    """The model with the same logits after every text."""
    output = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    assert isinstance(output, nn.Linear)
    output.weight.data.zero_()
    output.bias = nn.Parameter(bias.to(model.device), requires_grad=False)
    return LossModel(model)


def a_constant_model(folder: Path, **logits: float) -> LossModel:
    bias = torch.full((VOCABULARY,), -1.0)
    for name, value in logits.items():
        bias[int(name.removeprefix("t"))] = value
    return constant(a_model(folder, "llama", tie_word_embeddings=False), bias)


def test_of_equal_logits_the_lowest_token_is_taken_and_it_is_a_near_tie(tmp_path: Path) -> None:
    scorer = a_constant_model(tmp_path, t300=2.0, t40=2.0, t41=2.0)
    (answer,) = answers(scorer, [Prompt(ids=(5,), budget=3)])
    assert (answer.text, answer.near_ties) == (spelt([40] * 3), 3)


@pytest.mark.parametrize(("gap", "near_ties"), [(1e-5, 4), (1e-4, 0)])
def test_near_ties_are_counted(tmp_path: Path, gap: float, near_ties: int) -> None:
    scorer = a_constant_model(tmp_path, t7=2.0, t3=2.0 - gap)
    (answer,) = answers(scorer, [Prompt(ids=(5,), budget=4)])
    assert (answer.text, answer.near_ties) == (spelt([7] * 4), near_ties)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_logit_that_is_not_finite_leaves_an_empty_answer(tmp_path: Path, broken: float) -> None:
    scorer = a_constant_model(tmp_path, t7=2.0, t3=broken)
    assert answers(scorer, [Prompt(ids=(5,), budget=4)]) == [Answer(text="", ids=(), near_ties=0)]


def test_a_broken_answer_does_not_touch_the_next_in_its_slot(tmp_path: Path) -> None:
    model = a_model(tmp_path, "llama")
    model.get_input_embeddings().weight.data[9] = torch.nan  # type: ignore[operator]
    scorer = LossModel(model)
    sound = Prompt(ids=(5, 6, 7), budget=12)
    broken = Prompt(ids=(9,) * 3 + some_ids(CHUNK, seed=8), budget=4)
    (expected,) = answers(scorer, [sound])
    found = answers(scorer, [broken, sound, broken, sound], cache_bytes=1)
    assert found[1] == found[3] == expected
    assert found[0].text == ""
    assert answers(scorer, [broken, sound])[1] == expected


def test_t14_a_stop_token_ends_an_answer_and_is_no_part_of_it(tmp_path: Path) -> None:
    scorer = LossModel(a_model(tmp_path, "llama"))
    whole = answers(scorer, [PROMPTS[0]])[0].text
    ids = [ord(a) - 97 + 26 * (ord(b) - 97) for a, b in zip(whole[::2], whole[1::2], strict=True)]
    stop = ids[20]
    before = ids.index(stop)
    (answer,) = answers(scorer, [PROMPTS[0]], Stops(tokens=frozenset({stop})))
    assert (answer.text, len(answer.ids)) == (spelt(ids[:before]), before)


def test_t14_a_model_that_stops_at_once_has_an_empty_answer(tmp_path: Path) -> None:
    scorer = a_constant_model(tmp_path, t1=2.0)
    (answer,) = answers(scorer, [Prompt(ids=(5,), budget=9)], Stops(tokens=frozenset({1})))
    assert (answer.text, len(answer.ids)) == ("", 0)


def test_t14_a_model_that_never_stops_is_cut_at_the_budget(tmp_path: Path) -> None:
    scorer = a_constant_model(tmp_path, t7=2.0)
    (answer,) = answers(scorer, [Prompt(ids=(5,), budget=9)], Stops(tokens=frozenset({1})))
    assert (answer.text, len(answer.ids)) == (spelt([7] * 9), 9)


def test_a_stop_text_ends_an_answer_in_the_middle_of_a_token(tmp_path: Path) -> None:
    scorer = LossModel(a_model(tmp_path, "llama"))
    whole = answers(scorer, [PROMPTS[0]])[0].text
    stop = whole[21:24]
    at = whole.index(stop)
    (answer,) = answers(scorer, [PROMPTS[0]], Stops(tokens=frozenset(), texts=("??", stop)))
    assert answer.text == whole[:at]
    assert len(answer.ids) == -(-(at + len(stop)) // 2)


def test_a_row_leaves_the_batch_when_it_is_decided(tmp_path: Path) -> None:
    scorer = a_constant_model(tmp_path, t7=2.0)
    generator = Generator(scorer, NOTHING, lambda ids: "So (B) or C"[: 2 * len(ids)])
    ids, both = (5,), Prompt(ids=(5,), budget=9)
    choice = Prompt(ids=ids, budget=9, num_options=4)
    few, short = Prompt(ids=ids, budget=9, num_options=2), Prompt(ids=ids, budget=2, num_options=4)
    found = generator.answers((both, choice, few, short))
    assert [len(a.ids) for a in found] == [9, 3, 3, 2]
    assert [a.text for a in found] == ["So (B) or C", "So (B)", "So (B)", "So ("]


def test_a_token_of_a_thousand_characters_fills_no_more_than_the_answer_s_bytes(
    tmp_path: Path,
) -> None:
    scorer = a_constant_model(tmp_path, t7=2.0)
    generator = Generator(scorer, NOTHING, lambda ids: "\u00e9" * 1000 * len(ids))
    (answer,) = generator.answers([Prompt(ids=(5,), budget=8)])
    assert answer.text == "\u00e9" * (8 * BYTES_PER_TOKEN // 2)
    assert len(answer.ids) == 1


def test_bytes_that_are_no_text_are_an_answer_all_the_same(tmp_path: Path) -> None:
    scorer = a_constant_model(tmp_path, t7=2.0)
    generator = Generator(scorer, NOTHING, lambda _: "a\ud800b")
    (answer,) = generator.answers([Prompt(ids=(5,), budget=8)])
    assert answer.text == "a?b"
