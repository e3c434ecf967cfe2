"""Our losses and choices are those of lm-evaluation-harness, a peer that shares no code with us."""

from __future__ import annotations

import asyncio
import json as json_module
import math
import random
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Digest, TaskName
from sn37.domain.known_facts import known
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.choices import MIXED, ChoiceQuestion, asked
from sn37.testing.builders.rounds import a_batch
from sn37.testing.builders.samples import a_sample
from sn37.testing.tiny_models import ARCHITECTURES, a_real_job, save_model, some_text
from tests.integration.scorer.harness import everything
from tests.integration.scorer.lm_eval_peer import CHOICES, TEXTS, ask

NUM_TEXTS = NUM_QUESTIONS = 200
KEY = Digest("f" * 64)  # by which all questions are worded
MAX_TOKENS = 1024
SURE = 0.1  # standard deviation of random weights: the model then has opinions, 6 bits per byte


def texts() -> list[str]:
    """Paragraphs of documentation, and made-up ones with characters of two to four bytes."""
    found = [
        " ".join(paragraph.split())[:400]
        for tool in (json_module, textwrap, unicodedata, asyncio, Path, math, str, dict)
        for paragraph in (tool.__doc__ or "").split("\n\n")
        if len(paragraph) > 40
    ]
    made = [some_text(n, 5 + n % 60) for n in range(NUM_TEXTS - len(found))]
    return [unicodedata.normalize("NFC", text) for text in (*found, *made)]


def losses_of(
    scorer: WorkerScorer,
    folder: Path,
    samples: tuple[Sample, ...],
    method: Method,
    family: str,
    *,
    key: Digest | None = None,
) -> list[float]:
    job = replace(
        a_real_job(folder, architecture=ARCHITECTURES[family], max_tokens=MAX_TOKENS),
        batches=(a_batch("peer", method=method, samples=samples),),
        question_key=key,
    )
    blocks = asyncio.run(everything(scorer, job))
    return [loss for block in blocks for loss in block.losses]


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_text_losses_are_its_bits_per_byte(
    warm_scorer: WorkerScorer, tmp_path: Path, family: str
) -> None:
    model = tmp_path / "model"
    save_model(model, family, initializer_range=SURE, max_position_embeddings=MAX_TOKENS)
    rows = texts()
    assert len(rows) == NUM_TEXTS
    tasks = {"texts": {"definition": TEXTS, "rows": [{"text": text} for text in rows]}}
    theirs = ask({"model": str(model), "tasks": tasks}, tmp_path)["texts"]
    assert [row["doc"]["text"] for row in theirs["rows"]] == rows
    sizes = [len(text.encode()) for text in rows]
    bits = [
        -row["answers"][0] / math.log(2) / size
        for row, size in zip(theirs["rows"], sizes, strict=True)
    ]
    samples = tuple(a_sample(f"t{n}", prompt="", reference=text) for n, text in enumerate(rows))
    ours = losses_of(warm_scorer, model, samples, Method.TEXT_LOSS, family)
    assert ours == pytest.approx(bits, abs=1e-4)
    assert max(bits) - min(bits) > 1, "texts that differ by less would show nothing"
    total = math.fsum(loss * size for loss, size in zip(ours, sizes, strict=True)) / sum(sizes)
    assert total == pytest.approx(theirs["results"]["bits_per_byte,none"], abs=1e-4)


def questions() -> tuple[Sample, ...]:
    """Questions with two to five options of several words and scripts; some begin alike."""
    draw = random.Random(13)
    found = []
    for number in range(NUM_QUESTIONS):
        options = {some_text(draw.randrange(10_000), draw.randint(1, 9)) for _ in range(5)}
        choices = sorted(options)[: draw.randint(2, 5)]
        question = f"{some_text(number, draw.randint(4, 40))}?"
        found.append(
            a_sample(f"q{number}", prompt=question, reference=choices[0], choices=tuple(choices))
        )
    return tuple(found)


def shares_of(
    scorer: WorkerScorer, folder: Path, rows: tuple[Sample, ...], method: Method, family: str
) -> list[tuple[float, ...]]:
    """Each option's share of a question's likelihood, by the loss that it has as the right one.

    How a question is asked does not depend on its answer, so it is the same question each time.
    """
    columns = []
    for place in range(max(len(row.choices) for row in rows)):
        turned = tuple(
            replace(row, reference=row.choices[min(place, len(row.choices) - 1)]) for row in rows
        )
        columns.append(losses_of(scorer, folder, turned, method, family, key=KEY))
    found = []
    for row, *losses in zip(rows, *columns, strict=True):
        num = len(row.choices)
        probabilities = [num**-loss for loss in losses[:num]]
        found.append(tuple((p - MIXED / num) / (1 - MIXED) for p in probabilities))
    return found


# By the number that the peer counts as right in the same way: argmax of nats, or of nats by byte.
METRICS = {Method.MULTIPLE_CHOICE: "acc", Method.CHOICE_TEXT: "acc_bytes"}


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
def test_every_choice_is_the_one_that_it_makes(
    warm_scorer: WorkerScorer, tmp_path: Path, family: str
) -> None:
    model = tmp_path / "model"
    save_model(model, family, initializer_range=SURE, max_position_embeddings=MAX_TOKENS)
    rows = questions()
    ours = {method: shares_of(warm_scorer, model, rows, method, family) for method in METRICS}
    tasks = {
        method.value: {
            "definition": dict(CHOICES, metric_list=[{"metric": metric}]),
            "rows": [
                _document(row, shares, method)
                for row, shares in zip(rows, ours[method], strict=True)
            ],
        }
        for method, metric in METRICS.items()
    }
    theirs = ask({"model": str(model), "tasks": tasks}, tmp_path)
    for method, metric in METRICS.items():
        found = theirs[method.value]
        assert found["results"][f"{metric},none"] == 1.0, "of 200 questions, by its own count"
        for row, shares, told in zip(rows, ours[method], found["rows"], strict=True):
            assert math.fsum(shares) == pytest.approx(1, abs=1e-4)
            nats = [-float(answer[0]) for answer in told["answers"]]
            for choice, share in zip(row.choices, shares, strict=True):
                question = _question(row, choice, method)
                assert share == pytest.approx(question.shares(nats)[question.right], abs=1e-4)
        chosen = Counter(shares.index(max(shares)) for shares in ours[method])
        assert len(chosen) > 3, "a model that always takes the same place would show little"


def _question(row: Sample, right: str, method: Method) -> ChoiceQuestion:
    options = known(method.traits.options, "both methods have options")
    return asked(replace(row, reference=right), TaskName("peer"), options, KEY)


def _document(row: Sample, shares: Sequence[float], method: Method) -> dict[str, object]:
    """The question as the peer gets it, with our choice as the one to find."""
    question = _question(row, row.choices[shares.index(max(shares))], method)
    return {
        "context": f"<s><user>{question.prompt}\n<assistant>",
        "answers": question.answers,
        "ours": question.right,
    }
