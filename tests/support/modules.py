"""The modules of the tests: what they import of each other, and what importing them runs.

``python -m tests.support.modules FOLDER`` prints, as JSON, how many functions of this repository
each module under the folder calls when it is imported.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType

from tests.support.rooms import PACKAGE, imported

TESTS = Path(__file__).parents[1]
MAX_CALLS = 10_000  # to build what tests are parametrized with; a round takes over 40,000
OURS = (f"{TESTS}/", f"{PACKAGE}/")


def imports_of_tests() -> Iterator[tuple[str, str]]:
    """Pairs of a module and the module of tests whose names it imports."""
    for module in sorted(TESTS.rglob("*.py")):
        for name in imported(module):
            parts = name.split(".")
            if parts[0] == TESTS.name and any(part.startswith("test_") for part in parts[:-1]):
                yield _name(module), name


def calls_when_imported(folder: Path) -> dict[str, int]:
    """Calls of our own functions by module, counted in a process of its own.

    They depend on no clock. What a module imports first counts as its own.
    """
    counted = subprocess.run(
        [sys.executable, "-m", "tests.support.modules", str(folder)],
        cwd=TESTS.parent,
        stdout=subprocess.PIPE,
        check=True,
    )
    calls: dict[str, int] = json.loads(counted.stdout)
    return calls


def calls_in(action: Callable[[], object]) -> int:
    """How many functions of this repository an action calls."""
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        code = frame.f_code
        if event == "call" and code.co_name != "<module>" and code.co_filename.startswith(OURS):
            calls += 1

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


def _name(module: Path) -> str:
    return ".".join(module.relative_to(TESTS.parent).with_suffix("").parts)


if __name__ == "__main__":
    modules = [_name(module) for module in sorted(Path(sys.argv[1]).resolve().rglob("test_*.py"))]
    found = {module: calls_in(partial(importlib.import_module, module)) for module in modules}
    sys.stdout.write(json.dumps(found))
