"""Our losses are those of lm-evaluation-harness, a peer that shares no code with us."""

from __future__ import annotations

import asyncio
import json as json_module
import math
import textwrap
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.data.samples import Sample
from sn37.domain.schedule.methods import Method
from sn37.testing.builders.rounds import a_batch
from sn37.testing.builders.samples import a_sample
from sn37.testing.tiny_models import ARCHITECTURES, a_real_job, save_model, some_text
from tests.integration.scorer.harness import everything
from tests.integration.scorer.lm_eval_peer import TEXTS, asked

NUM_TEXTS = 200
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
    scorer: WorkerScorer, folder: Path, samples: tuple[Sample, ...], method: Method, family: str
) -> list[float]:
    job = replace(
        a_real_job(folder, architecture=ARCHITECTURES[family], max_tokens=MAX_TOKENS),
        batches=(a_batch("peer", method=method, samples=samples),),
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
    theirs = asked({"model": str(model), "tasks": tasks}, tmp_path)["texts"]
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
