"""The fault matrix in the documents is that of the tests, and no cell of it is empty."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import fault_matrix
from tests.support.fault_matrix import MarkedTest

ROOT = Path(__file__).parents[2]
COMMAND = "python -m tests.support.fault_matrix --write"


def test_the_document_has_the_tables_that_the_marks_of_the_tests_make() -> None:
    made = fault_matrix.render(fault_matrix.marked_tests())
    shown = fault_matrix.in_document(fault_matrix.DOCUMENT.read_text(encoding="utf-8"))
    assert shown == made, f"run {COMMAND}"


def a_test(*cells: tuple[str, str], name: str = "test_it_works") -> MarkedTest:
    return MarkedTest(path="tests/test_x.py", name=name, cells=cells)


def test_a_cell_without_tests_and_without_a_reason_is_an_error() -> None:
    everything = fault_matrix.marked_tests()
    only = ("SIGTERM", "loading")
    less = [t for t in everything if only not in t.cells]
    with pytest.raises(ValueError, match=r"no test fills \[\('SIGTERM', 'loading'\)\]"):
        fault_matrix.by_cell(less)


@pytest.mark.parametrize("cell", [("moon", "down"), ("telemetry", "wrong")])
def test_a_mark_of_no_cell_or_of_one_that_stays_empty_is_an_error(cell: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="which is no cell to be filled"):
        fault_matrix.by_cell([*fault_matrix.marked_tests(), a_test(cell)])


def test_what_did_not_run_or_failed_with_any_parameter_has_not_passed() -> None:
    tests = [a_test(name=f"TestX::test_{name}") for name in ("a", "b", "c")]
    node = "tests/test_x.py::TestX::test_"
    outcomes = {f"{node}a[1]": True, f"{node}a[2]": True, f"{node}b[1]": True, f"{node}b[2]": False}
    assert fault_matrix.not_passed(tests, outcomes) == (f"{node}b", f"{node}c")


MODULE = """
import pytest

@pytest.mark.fault("chain", "down")
@pytest.mark.parametrize("n", [1, 2])
def test_marked(n):
    assert n == 1

@pytest.fixture
def broken():
    yield
    raise RuntimeError("while cleaning up")

@pytest.mark.fault("chain", "slow")
def test_cleaned_up_badly(broken):
    pass

def test_unmarked():
    pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_records_the_outcome_of_marked_tests_also_of_several_processes(
    workers: str, tmp_path: Path
) -> None:
    (tmp_path / "test_some.py").write_text(MODULE)
    record = tmp_path / "record" / "faults.json"
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-n", workers]
    done = subprocess.run(
        [*command, f"--fault-record={record}", "--strict-markers", "test_some.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert json.loads(record.read_text()) == {
        "test_some.py::test_marked[1]": True,
        "test_some.py::test_marked[2]": False,
        "test_some.py::test_cleaned_up_badly": False,
    }
