"""Draws docs/simnet.svg from a real run: ``python -m tests.support.recording REPORT``.

REPORT is what ``sn37 validator --network simnet --rounds 2`` printed, colours included:
``FORCE_COLOR=1 COLUMNS=100 make simnet > REPORT``. The picture has one line of each kind of event,
then the first table and the weights, so that it fits a screen.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[2] / "docs" / "simnet.svg"
WIDTH = 100
COMMAND = "$ make simnet"
KINDS = ("refused", "frozen", "opened", "scored", "failed", "checked", "finished", "weights")
# Fonts come from the reader's system: a picture must not fetch anything.
FORMAT_FONT = re.compile(r"@font-face\s*{[^}]*}")


def chosen(report: str) -> list[str]:
    """The lines of a report that are drawn."""
    lines = [line.rstrip() for line in report.splitlines()]
    plain = [Text.from_ansi(line).plain for line in lines]
    events = list[str]()
    seen = set[str]()
    for line, words in zip(lines, plain, strict=True):
        kind, _, rest = words.partition(" ")
        key = (
            f"{kind} {rest.partition(':')[2].strip().partition(':')[0]}"
            if kind == "refused"
            else kind
        )
        if kind in KINDS and key not in seen:
            seen.add(key)
            events.append(line)
    first = next(n for n, words in enumerate(plain) if words.startswith("Competition 1: entries"))
    table = list[str]()
    for line, words in zip(lines[first:], plain[first:], strict=True):
        table.append(line)
        if words.startswith("└"):
            break
    return [COMMAND, *events, "", *table]


def picture(lines: list[str]) -> str:
    """The lines as an SVG of a terminal."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis", crop=True)
    return FORMAT_FONT.sub("", console.export_svg(title="sn37"))


if __name__ == "__main__":
    PICTURE.write_text(picture(chosen(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    sys.stdout.write(f"{PICTURE}\n")
