"""What every module of the package keeps to."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sn37
from sn37.domain.reasons import MEANINGS, Reason

PACKAGE = Path(sn37.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_MODULE_LINES = 500  # beyond, a module does more than one thing
MAX_FUNCTION_LINES = 60


def name(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 40


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_and_its_functions_are_short_and_say_what_they_are(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") < MAX_MODULE_LINES
    assert ast.get_docstring(tree), "the first line says what the module does"
    long = [
        f"{node.name}, line {node.lineno}: {length} lines"
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_every_name_says_what_is_in_it() -> None:
    empty_names = {"utils", "util", "helpers", "helper", "common", "misc"}
    named = [
        name(m) for m in MODULES if empty_names & set(m.relative_to(PACKAGE).with_suffix("").parts)
    ]
    assert named == []


def test_every_reason_has_a_meaning_of_its_own() -> None:
    assert set(MEANINGS) == set(Reason)
    assert len(set(MEANINGS.values())) == len(Reason)


def test_nothing_is_left_for_later() -> None:
    unfinished = [
        name(m)
        for m in MODULES
        if any(
            mark in m.read_text(encoding="utf-8")
            for mark in ("TODO", "FIXME", "NotImplementedError")
        )
    ]
    assert unfinished == []


def test_the_types_and_the_schedules_are_in_the_package() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert {p.stem for p in (PACKAGE / "app" / "schedules").iterdir()} == {"finney", "simnet"}
