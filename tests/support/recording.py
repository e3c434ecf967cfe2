"""Draws docs/simnet.svg from a real run: ``python -m tests.support.recording REPORT``.

REPORT is what a run printed in colour, in lines that are long enough for its tables:
``FORCE_COLOR=1 COLUMNS=400 make simnet > REPORT 2>&1``. The picture has one line of each kind of
event and each reason of a refusal, then the first table without its last column: a screenful.
"""

from __future__ import annotations

import io
import re
import sys
from itertools import takewhile
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[2] / "docs" / "simnet.svg"
WIDTH = 132
_STAMP = re.compile(r"\d\d-\d\d \d\d:\d\d:\d\dZ +\S+ ")  # begins the line of an event
_JOINT = "┳"
_CORNERS = {"┳": "┓", "┃": "┃", "╇": "┩", "│": "│", "┴": "┘"}  # where the table is cut
COMMAND = "$ make simnet"
KINDS = ("refused", "frozen", "opened", "scored", "failed", "checked", "finished", "weights")
# Fonts come from the reader's system: a picture must not fetch anything.
FORMAT_FONT = re.compile(r"@font-face\s*{[^}]*}")


def chosen(report: str) -> list[Text]:
    """The lines of a report that are drawn."""
    lines = [Text.from_ansi(line.rstrip()) for line in report.split("\n")]
    events = list[Text]()
    seen = set[str]()
    for line in lines:
        kind, _, rest = _STAMP.sub("", line.plain).partition(" ")
        reason = rest.partition(":")[2].partition(":")[0] if kind == "refused" else ""
        if kind in KINDS and f"{kind}{reason}" not in seen:
            seen.add(f"{kind}{reason}")
            events.append(line)
    first = next(n for n, line in enumerate(lines) if line.plain.startswith("Competition 1: ent"))
    table = list(takewhile(lambda line: not line.plain.startswith("lower is"), lines[first + 1 :]))
    width = table[0].plain.rindex(_JOINT)
    return [
        Text(COMMAND),
        *events,
        Text(),
        lines[first][:width],
        *(line[:width] + Text(_CORNERS[line.plain[width]]) for line in table),
    ]


def picture(lines: list[Text]) -> str:
    """The lines as an SVG of a terminal."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    return FORMAT_FONT.sub("", console.export_svg(title="sn37"))


if __name__ == "__main__":
    PICTURE.write_text(picture(chosen(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    sys.stdout.write(f"{PICTURE}\n")
