"""The fault matrix: what may go wrong outside of the validator, and the tests that made it so.

A test says by ``@pytest.mark.fault(SUBJECT, CASE)`` which cells of the matrix it fills. The
tables of docs/reliability.md are made of those marks, and ``make faults`` compares them with the
record of a run: a cell is filled by tests that ran and passed, not by intentions.

    python -m tests.support.fault_matrix               print the tables
    python -m tests.support.fault_matrix --write       put them into docs/reliability.md
    python -m tests.support.fault_matrix --ran FILE... every test of the tables passed in these runs
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: fault matrix -->", "<!-- end: fault matrix -->"

Cell = tuple[str, str]  # subject and case


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """One table. Every cell is filled by tests, or ``reasons`` says why it is empty."""

    title: str
    subjects: tuple[str, ...]
    cases: tuple[str, ...]
    reasons: Mapping[Cell, str]

    def cells(self) -> Iterator[Cell]:
        return ((subject, case) for subject in self.subjects for case in self.cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedTest:
    """A test function that fills cells."""

    path: str  # from the root of the repository
    name: str  # "test_..." or "TestClass::test_..."
    cells: tuple[Cell, ...]

    @property
    def node(self) -> str:
        """How pytest calls it, without parameters."""
        return f"{self.path}::{self.name}"

    @property
    def sentence(self) -> str:
        name = self.name.rpartition("::")[2]
        return re.sub(r"^test_(t\d\d_)*", "", name).replace("_", " ")


PHASES = (
    "loading",
    "set-up",
    "following",
    "freeze",
    "fetch",
    "opening",
    "evaluation",
    "receipts",
    "weights",
)

MATRICES = (
    Matrix(
        title="dependency",
        subjects=(
            "chain",
            "model hub",
            "wandb rows",
            "hub rows",
            "hub tables",
            "data plug-in",
            "worker",
            "state disk",
            "telemetry",
            "service manager",
        ),
        cases=("down", "slow", "wrong", "flapping"),
        reasons={
            ("telemetry", "wrong"): "nothing is read from it",
            ("service manager", "slow"): "datagrams, nothing waits",
            ("service manager", "wrong"): "nothing is read from it",
            ("service manager", "flapping"): "each datagram stands for itself",
        },
    ),
    Matrix(
        title="in each phase",
        subjects=("disk full", "SIGTERM", "SIGKILL", "stuck"),
        cases=PHASES,
        reasons={
            ("disk full", "loading"): "nothing is written",
            ("SIGKILL", "loading"): "nothing is open",
            ("stuck", "loading"): "the service manager's limit on starting",
            ("stuck", "set-up"): "the loop only is watched",
        },
    ),
    Matrix(
        title="clock",
        subjects=("wall clock", "process"),
        cases=("jumps forward", "jumps back", "is stopped"),
        reasons={
            ("wall clock", "is stopped"): "nothing waits for it",
            ("process", "jumps forward"): "a process has no time of its own",
            ("process", "jumps back"): "a process has no time of its own",
        },
    ),
    Matrix(
        title="process",
        subjects=("worker", "transfer", "wandb reader", "hub rows reader", "plug-in call"),
        cases=("out of memory", "will not die", "orphaned"),
        reasons={},
    ),
)


def marked_tests(folder: Path = ROOT / "tests") -> tuple[MarkedTest, ...]:
    """Every test with a mark, by path and in the order of its file; nothing is imported."""
    return tuple(
        test
        for path in sorted(folder.rglob("test_*.py"))
        for test in _in_module(path, ast.parse(path.read_text(encoding="utf-8")))
    )


def _in_module(path: Path, tree: ast.Module) -> Iterator[MarkedTest]:
    where = path.relative_to(ROOT).as_posix()
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                yield from _in_function(where, f"{node.name}::", inner)
        yield from _in_function(where, "", node)


def _in_function(path: str, owner: str, node: ast.stmt) -> Iterator[MarkedTest]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    cells = tuple(cell for mark in node.decorator_list if (cell := _cell(mark)) is not None)
    if cells:
        yield MarkedTest(path=path, name=f"{owner}{node.name}", cells=cells[::-1])


def _cell(decorator: ast.expr) -> Cell | None:
    match decorator:
        case ast.Call(
            func=ast.Attribute(attr="fault"),
            args=[ast.Constant(value=str(subject)), ast.Constant(value=str(case))],
        ):
            return subject, case
    return None


def by_cell(tests: Sequence[MarkedTest]) -> Mapping[Cell, tuple[MarkedTest, ...]]:
    """The tests that fill each cell of the matrices.

    Raises:
        ValueError: A mark names no cell, or one that is said to stay empty; a cell is empty
            without a reason.
    """
    known = {cell for matrix in MATRICES for cell in matrix.cells()}
    empty = {cell for matrix in MATRICES for cell in matrix.reasons}
    filled: dict[Cell, tuple[MarkedTest, ...]] = {}
    for test in tests:
        for cell in test.cells:
            if cell not in known - empty:
                raise ValueError(f"{test.node} fills {cell}, which is no cell to be filled")
            filled[cell] = (*filled.get(cell, ()), test)
    if missing := sorted(known - empty - filled.keys()):
        raise ValueError(f"no test fills {missing}, and no reason says why")
    return filled


def render(tests: Sequence[MarkedTest]) -> str:
    """The tables, as Markdown."""
    filled = by_cell(tests)
    parts = [_grid(matrix, filled) for matrix in MATRICES]
    return "\n\n".join([*parts, _sentences(filled)])


def _grid(matrix: Matrix, filled: Mapping[Cell, tuple[MarkedTest, ...]]) -> str:
    lines = [
        f"| {matrix.title} | {' | '.join(matrix.cases)} |",
        "|---" * (1 + len(matrix.cases)) + "|",
    ]
    for subject in matrix.subjects:
        counts = (
            matrix.reasons.get((subject, case)) or str(len(filled[subject, case]))
            for case in matrix.cases
        )
        lines.append(f"| {subject} | {' | '.join(counts)} |")
    return "\n".join(lines)


def _sentences(filled: Mapping[Cell, tuple[MarkedTest, ...]]) -> str:
    lines = ["| cell | what holds, and where it is tested |", "|---|---|"]
    for matrix in MATRICES:
        for subject in matrix.subjects:
            cases: dict[str, list[str]] = {}  # by what is said of them
            for case in matrix.cases:
                if tests := filled.get((subject, case)):
                    cases.setdefault(_said(tests), []).append(case)
            lines += [
                f"| {subject}: {', '.join(those)} | {said} |" for said, those in cases.items()
            ]
    return "\n".join(lines)


def _said(tests: Sequence[MarkedTest]) -> str:
    return "; ".join(
        f"{'; '.join(test.sentence for test in group)} ([{Path(path).stem}](../{path}))"
        for path, group in groupby(tests, key=lambda test: test.path)
    )


def in_document(text: str) -> str:
    """The tables of a document.

    Raises:
        ValueError: It does not have both marks.
    """
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()


def written(text: str, tables: str) -> str:
    """The document with these tables instead of its own."""
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:start]}\n{tables}\n{text[end:]}"


def not_passed(tests: Sequence[MarkedTest], outcomes: Mapping[str, bool]) -> tuple[str, ...]:
    """Those of the tests that did not run in a record, or failed in it.

    Args:
        outcomes: Whether it passed, by pytest's name of the test with its parameters.
    """
    passed: dict[str, bool] = {}
    for node, outcome in outcomes.items():
        name = node.partition("[")[0]
        passed[name] = passed.get(name, True) and outcome
    return tuple(test.node for test in tests if not passed.get(test.node, False))


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.fault_matrix")
    parser.add_argument("--write", action="store_true", help="put the tables into the document")
    parser.add_argument("--ran", nargs="+", type=Path, default=[], help="records of test runs")
    options = parser.parse_args(args)
    tests = marked_tests()
    if options.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(written(text, render(tests)), encoding="utf-8")
    elif options.ran:
        outcomes: dict[str, bool] = {}
        for record in options.ran:
            outcomes |= json.loads(record.read_text(encoding="utf-8"))
        if failed := not_passed(tests, outcomes):
            sys.stderr.write("\n".join(["these did not run, or failed:", *failed, ""]))
            return 1
        sys.stdout.write(f"{len(tests)} tests of faults ran and passed\n")
    else:
        sys.stdout.write(f"{render(tests)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
