"""What every module of the package keeps to."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

import sn37
from sn37.app.schedule.load import PRESETS
from sn37.domain.reasons import MEANINGS, Reason

PACKAGE = Path(sn37.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_MODULE_LINES = 500  # a warning: beyond, a module should have a reason
MAX_FUNCTION_LINES = 60
MAX_MODULES = 25  # of a folder; beyond, it is two

# Modules that start processes. All but the first say why ``child_process.guard`` does not hold
# what they start.
STARTERS = {
    "adapters/child_process/guard.py": "the guard itself",
    "adapters/child_process/running.py": "starts the guard",
    "adapters/simnet/miners/training_processes.py": "starts the guard, from a thread",
    "adapters/releases/installer.py": "pip, which dies with this process; it may take minutes",
    "adapters/releases/service.py": "the service manager, whose services outlive this process",
    "adapters/scoring/launcher.py": "the warm parent, which ends its workers when this one dies",
    "adapters/scoring/sandbox/probe.py": "our own code, which forks once and exits",
    "adapters/scoring/warm_parent.py": "forks workers, each with all it starts in a namespace",
    "app/wiring/leaderboard_process.py": "our own pages, which end when our end of a pipe closes",
    "app/wiring/wandb_process.py": "our own command, which ends when our end of a pipe closes",
    "testing/reproducibility.py": "for tests of plug-ins, which may not import adapters",
}
PROCESS_MODULES = {"subprocess", "multiprocessing", "pty"}
PROCESS_CALLS = re.compile(
    r"create_subprocess_(exec|shell)|ProcessPoolExecutor|fork|forkpty|posix_spawnp?|popen|system"
    r"|subprocess_(exec|shell)|(exec|spawn)[lv]p?e?"
)


def starts_processes(module: Path) -> bool:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names) if PROCESS_MODULES & {n.name.split(".")[0] for n in names}:
                return True
            case ast.ImportFrom(module=str(source), names=names) if source.split(".")[
                0
            ] in PROCESS_MODULES or (
                (source in {"os", "asyncio", "concurrent.futures"})
                and any(PROCESS_CALLS.fullmatch(n.name) for n in names)
            ):
                return True
            case ast.Attribute(value=ast.Name(id="os" | "asyncio" | "futures"), attr=called) if (
                PROCESS_CALLS.fullmatch(called)
            ):
                return True
    return False


def name(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 40


class LongModule(UserWarning):
    """A module that is longer than the limit."""


def warn_of_long(modules: Iterable[Path]) -> None:
    for module in modules:
        if (length := module.read_text(encoding="utf-8").count("\n")) >= MAX_MODULE_LINES:
            told = (
                f"{module}: {length} lines, {MAX_MODULE_LINES} is the limit; split it, or say why"
            )
            warnings.warn(LongModule(told), stacklevel=2)


def long_functions(module: Path) -> list[str]:
    return [
        f"{module}, line {node.lineno}: {node.name} has {length} lines, {MAX_FUNCTION_LINES} is "
        "the limit"
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) >= MAX_FUNCTION_LINES
    ]


def full_folders(modules: Iterable[Path]) -> list[str]:
    counts = Counter(module.parent for module in modules if module.name != "__init__.py")
    return [
        f"{folder}: {count} modules, {MAX_MODULES} is the limit"
        for folder, count in counts.items()
        if count > MAX_MODULES
    ]


@pytest.mark.filterwarnings("default::tests.unit.test_guard_rails.LongModule")
@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_says_what_it_is_and_its_functions_are_short(module: Path) -> None:
    warn_of_long([module])
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the first line says what the module does"
    assert long_functions(module) == []


def test_no_folder_has_too_many_modules() -> None:
    assert full_folders(MODULES) == []


def test_what_is_beyond_a_limit_is_told_with_the_limit(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("x = 1\n" * (MAX_MODULE_LINES - 1))
    warn_of_long([module])
    module.write_text("x = 1\n" * MAX_MODULE_LINES)
    with pytest.warns(LongModule, match=r"module.py: 500 lines, 500 is the limit"):
        warn_of_long([module])
    module.write_text("def short():\n" + "    pass\n" * (MAX_FUNCTION_LINES - 2))
    assert long_functions(module) == []
    module.write_text("def long():\n" + "    pass\n" * (MAX_FUNCTION_LINES - 1))
    assert long_functions(module) == [f"{module}, line 1: long has 60 lines, 60 is the limit"]
    modules = [tmp_path / f"{number}.py" for number in range(MAX_MODULES)]
    assert full_folders([tmp_path / "__init__.py", *modules]) == []
    assert full_folders([module, *modules]) == [f"{tmp_path}: 26 modules, 25 is the limit"]


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
    assert {p.stem for p in (PACKAGE / "app" / "schedules").iterdir()} == set(PRESETS)


def test_what_starts_a_process_is_under_the_guard_or_says_why_not() -> None:
    assert {name(m) for m in MODULES if starts_processes(m)} == set(STARTERS)


@pytest.mark.parametrize(
    "line",
    [
        "import subprocess",
        "from multiprocessing.pool import Pool",
        "from os import fork",
        "from concurrent.futures import ProcessPoolExecutor",
        "os.execvpe('a', [], {})",
        "await_ = asyncio.create_subprocess_exec('a')",
    ],
)
def test_a_start_of_a_process_is_found(line: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(line)
    assert starts_processes(module)
