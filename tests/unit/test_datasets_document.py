"""The example of docs/datasets.md is run as it stands there."""

from __future__ import annotations

import importlib.util
import re
import sys
import tempfile
from pathlib import Path

from sn37.testing.dataset_contract import DatasetPluginContract, LiveDatasetContract

DOCUMENT = Path(__file__).parents[2] / "docs" / "datasets.md"
SOURCE, TESTS = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)


def _load(name: str, text: str) -> dict[str, object]:
    """Import a block of the document under a name of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return vars(module)


_load("sn37_questions", SOURCE)
_tests = _load("sn37_questions_tests", TESTS)
TestQuestions = _tests["TestQuestions"]  # pytest collects both
TestPlugin = _tests["TestPlugin"]


def test_the_example_has_a_test_of_each_contract() -> None:
    assert isinstance(TestQuestions, type)
    assert issubclass(TestQuestions, LiveDatasetContract)
    assert isinstance(TestPlugin, type)
    assert issubclass(TestPlugin, DatasetPluginContract)


def test_the_example_is_under_100_lines() -> None:
    assert SOURCE.count("\n") < 100
