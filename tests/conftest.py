"""What holds for all tests: no deadlines of a single example, and a record of injected faults.

The record is of the tests that bear the mark; see tests/support/fault_matrix.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings

# How fast an example is says more about the machine than about the code; bench/ measures.
settings.register_profile("sn37", settings.default, deadline=None)
settings.load_profile("sn37")

MARK = "fault(subject, case): fills a cell of the fault matrix in docs/reliability.md"
_FAULT = "fault"  # the name of the property that marked tests carry through pytest-xdist


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fault-record", type=Path, help="write the outcome of every test with a mark of a fault"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)
    path = config.getoption("--fault-record")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Record(path))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("fault") is not None:
            item.user_properties.append((_FAULT, True))


class _Record:
    """Reports of all processes come together in the one that started them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._passed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if (_FAULT, True) in report.user_properties:
            before = self._passed.get(report.nodeid, True)
            self._passed[report.nodeid] = before and report.passed

    def pytest_sessionfinish(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._passed, indent=1), encoding="utf-8")
