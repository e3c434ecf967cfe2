"""The tables of docs/miner.md that are the program's own.

``python -m tests.support.generated_tables`` writes them anew; a test fails while they differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sn37.domain.reasons import Blame, Reason
from sn37.domain.submission.admission import AdmissionStep

DOCUMENT = Path(__file__).parents[2] / "docs" / "miner.md"
_SIDES = {Blame.MINER: "yours", Blame.OURS: "the validator's", Blame.NOBODY: "nobody's"}


def tables() -> Mapping[str, Sequence[str]]:
    """The rows of each table, by the name in its opening comment."""
    return {
        "reasons": [
            f"| `{r.value}` | {_SIDES[r.blame]} | {r.meaning.removesuffix(f'; {r.remedy}')} "
            f"| {r.remedy} |"
            for r in Reason
        ],
        "checks": [f"| `{step.value}` | {step.what} |" for step in AdmissionStep],
    }


def generated(text: str) -> str:
    """The document with its tables as they should be.

    Raises:
        ValueError: It has no place for one of them.
    """
    for name, rows in tables().items():
        place = re.search(rf"(?<=<!-- {name} -->\n)(.*\n.*\n)(?:\|.*\n)*(?=<!-- end -->)", text)
        if place is None:
            raise ValueError(f"no table between <!-- {name} --> and <!-- end -->")
        table = place[1] + "".join(f"{row}\n" for row in rows)
        text = text[: place.start()] + table + text[place.end() :]
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(generated(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
