"""The tables of docs/miner.md and docs/scoring.md that are the program's own.

``python -m tests.support.generated_tables`` writes them again; a test fails while they differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sn37.domain.reasons import Blame, Reason
from sn37.domain.schedule.methods import LossUnit, Method
from sn37.domain.scoring.worst_loss import worst_loss
from sn37.domain.submission.admission import AdmissionStep

_DOCS = Path(__file__).parents[2] / "docs"
MINER, SCORING = _DOCS / "miner.md", _DOCS / "scoring.md"
DOCUMENTS = (MINER, SCORING)
_SIDES = {Blame.MINER: "yours", Blame.OURS: "the validator's", Blame.NOBODY: "nobody's"}
_UNITS = {
    LossUnit.TEXT: "nats per token, or bits per byte",
    LossUnit.GUESS: "1 is guessing",
    LossUnit.SHARE: "share",
}


def tables(document: Path) -> Mapping[str, Sequence[str]]:
    """The rows of each table of a document, by the name in its opening comment."""
    if document == SCORING:
        return {"methods": [_method(method) for method in Method]}
    return {
        "reasons": [
            f"| `{r.value}` | {_SIDES[r.blame]} | {r.meaning.removesuffix(f'; {r.remedy}')} "
            f"| {r.remedy} |"
            for r in Reason
        ],
        "checks": [f"| `{step.value}` | {step.what} |" for step in AdmissionStep],
    }


def _method(method: Method) -> str:
    traits = method.traits
    worst = dict.fromkeys(f"{worst_loss(method, prescribed=is_):g}" for is_ in (True, False))
    answers = (
        traits.is_scored,
        traits.has_controls,
        traits.has_floor,
        traits.is_screened,
        traits.is_learnable,
    )
    cells = [
        f"`{method.value}`",
        traits.loss,
        _UNITS[traits.unit],
        ", or ".join(worst),
        *("yes" if answer else "no" for answer in answers),
    ]
    return f"| {' | '.join(cells)} |"


def generated(document: Path, text: str) -> str:
    """The text of a document with its tables as they should be.

    Raises:
        ValueError: It has no place for one of them.
    """
    for name, rows in tables(document).items():
        place = re.search(rf"(?<=<!-- {name} -->\n)(.*\n.*\n)(?:\|.*\n)*(?=<!-- end -->)", text)
        if place is None:
            raise ValueError(f"no table between <!-- {name} --> and <!-- end -->")
        table = place[1] + "".join(f"{row}\n" for row in rows)
        text = text[: place.start()] + table + text[place.end() :]
    return text


if __name__ == "__main__":
    for each in DOCUMENTS:
        each.write_text(generated(each, each.read_text(encoding="utf-8")), encoding="utf-8")
