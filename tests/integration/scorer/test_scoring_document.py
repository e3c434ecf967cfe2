"""The code in docs/scoring.md, which a reader may run, against the scorer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.schedule.methods import Method
from sn37.testing.builders.models import an_artifact, some_constraints
from sn37.testing.builders.rounds import a_batch, a_job
from sn37.testing.builders.samples import a_sample
from sn37.testing.tiny_models import save_model
from tests.integration.scorer.harness import everything

DOCUMENT = Path(__file__).parents[3] / "docs" / "scoring.md"
PAIRS = (
    ("What is the capital of France?", "The capital of France is Paris."),
    ("Add 2 and 3.", "5"),
    (
        "Greek, please:\n  two lines",
        "\u03ba\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1\n e\u0301t\u00e9 \U0001f642 ",
    ),
)


def by_hand() -> Callable[..., float]:
    """The function that the document shows."""
    found = re.search(r"<!-- by hand -->\n```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    names: dict[str, object] = {}
    exec(compile(found[1], str(DOCUMENT), "exec"), names)
    return cast("Callable[..., float]", names["loss"])


@pytest.mark.parametrize("is_own", [True, False])
async def test_a_loss_computed_by_the_document_is_that_of_the_scorer(
    is_own: bool, tmp_path: Path, warm_scorer: WorkerScorer
) -> None:
    folder = tmp_path / "model"
    save_model(folder)
    samples = tuple(a_sample(prompt=p, reference=r) for p, r in PAIRS)
    template = (folder / "chat_template.jinja").read_text()
    job = a_job(
        artifact=an_artifact(path=folder),
        constraints=some_constraints(max_tokens=256),
        batches=(a_batch(method=Method.REFERENCE_LOSS, samples=samples),),
        tokenizer=None if is_own else folder,
        template=None if is_own else template,
    )
    (block,) = await everything(warm_scorer, job)
    expected = [by_hand()(str(folder), p, r, bos="<s>", is_own=is_own) for p, r in PAIRS]
    assert block.losses == pytest.approx(expected, rel=1e-6)
