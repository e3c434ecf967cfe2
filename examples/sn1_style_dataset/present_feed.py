"""Write a page of 400 questions from the last four hours, for a round on the simulated network.

``python present_feed.py FILE``
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROWS = 400
EVERY = timedelta(seconds=36)


def question(number: int, time: datetime) -> dict[str, str]:
    first, second = 11 + number % 20, 11 + number // 20
    right = first * second
    options = sorted({right, right + 10, right - first, right + second})
    lines = [f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True)]
    return {
        "id": f"q{number:03}",
        "time": time.isoformat(),
        "challenge": f"What is {first} times {second}?\n" + "\n".join(lines),
        "reference": "ABCD"[options.index(right)],
    }


def main() -> None:
    now = datetime.now(UTC)
    rows = [question(n, now - EVERY * (ROWS - n)) for n in range(ROWS)]
    Path(sys.argv[1]).write_text(json.dumps({"rows": rows, "next": ""}))


if __name__ == "__main__":
    main()
