"""Checks of whether a validator on this machine can run a schedule.

The start of a validator, ``sn37 doctor``, ``sn37 chain check`` and ``sn37 schedule check`` make
these same checks, so that all of them say the same about a fault.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from importlib.util import find_spec

from sn37.app.errors import CommandError
from sn37.app.schedule.pins import WRITTEN, revision_of
from sn37.domain.check_line import Check, Grade
from sn37.domain.ids import is_commit
from sn37.domain.schedule.competition import Source, Task, TokenizerRef
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.dataset import Description
from sn37.ports.errors import DatasetUnavailable

# Opens a source and returns what its plug-in says of it; raises ``LookupError``, ``ValueError`` or
# ``DatasetUnavailable``.
OpenSource = Callable[[Source], Awaitable[Description | None]]

PIN = "write today's commits with sn37 schedule pin FILE; in a preset a maintainer does it"


def sources_of(schedule: Schedule) -> Sequence[Source]:
    """Return every source that a task draws from, once for each set of values."""
    found = list[Source]()
    for _, task in _tasks(schedule):
        if task.source not in found:  # its parameters have no hash
            found.append(task.source)
    return found


async def schedule_checks(
    schedule: Schedule,
    open_source: OpenSource,
    *,
    installed: Collection[str],
    simulated: Collection[str] = (),
) -> AsyncIterator[Check]:
    """Yield a check for each data set, tokenizer and task of a schedule.

    Args:
        open_source: Opens a source as a validator does.
        installed: Names of the data sets of installed packages.
        simulated: Names of the sources that the simulated network has.
    """
    usual: dict[str, Method] = {}  # by which models are scored on a source's samples

    async def described(source: Source) -> Description | None:
        description = await open_source(source)
        if description is not None:
            usual[source.name] = description.method
        return description

    for source in sources_of(schedule):
        if source.name in simulated:
            found = Check(name=_name(source), grade=Grade.OK, detail="of the simulated network")
        else:
            found = await _source(source, described, installed)
        yield found
    for tokenizer in _tokenizers(schedule):
        yield _tokenizer(tokenizer)
    for check in dict.fromkeys(
        _task(f"task {task.name} of competition {where}", task, usual.get(task.source.name))
        for where, task in _tasks(schedule)
    ):
        yield check


def require_ready(checks: Sequence[Check], origin: str) -> None:
    """Check that none of the checks failed.

    Args:
        origin: File or preset of the schedule.

    Raises:
        CommandError: Some did; it has all of them, each with its remedy.
    """
    failed = [check for check in checks if check.grade is Grade.FAILED]
    if len(failed) == 1:
        raise CommandError(f"{origin}: {failed[0].finding}", page="schedules")
    if failed:
        raise CommandError(
            f"{origin}: {len(failed)} of {len(checks)} checks failed:",
            lines=[check.line for check in failed],
        )


async def _source(source: Source, open_source: OpenSource, installed: Collection[str]) -> Check:
    if source.name not in installed:
        known = ", ".join(sorted(installed)) or "none"
        detail = f"not installed; installed: {known}"
        return _failed(source, detail, "install the package that offers it; see docs/datasets.md")
    if (revision := revision_of(source)) is not None and not is_commit(revision):
        return _failed(source, _can_move(revision), PIN)
    try:
        description = await open_source(source)
    except LookupError as error:
        return _failed(source, str(error.args[0]), "repair the installation of its package")
    except ValueError as error:
        lacks = [name for name in WRITTEN if f"parameter {name} is missing" in str(error)]
        remedy = PIN if lacks else f"correct sources.{source.name}, or its plug-in"
        return _failed(source, str(error), remedy)
    except DatasetUnavailable as error:
        return _failed(source, str(error), f"find the cause with sn37 data check {source.name}")
    packages = () if description is None else description.packages
    if lacking := [name for name in packages if find_spec(name) is None]:
        detail = f"needs {', '.join(lacking)}, which is not installed"
        what = description.install if description else ""
        return _failed(source, detail, f"run pip install '{what or ' '.join(lacking)}'")
    return Check(name=_name(source), grade=Grade.OK, detail="installed, takes its parameters")


def _task(name: str, task: Task, usual: Method | None) -> Check:
    if usual is None or _fits(task.method, usual):
        return Check(name=name, grade=Grade.OK, detail=task.method.value)
    return Check(
        name=name,
        grade=Grade.WARNING,
        detail=f"{task.method.value}, but the plug-in {task.source.name} says that its samples are "
        f"for {usual.value}: every round may be sat out",
        remedy="choose a method that docs/scoring.md lists for such samples, or another source",
    )


def _fits(method: Method, usual: Method) -> bool:
    """Return true if samples for ``usual`` have what ``method`` reads: options, rules, or a text.

    A question with options can be scored by its right answer's text, too.
    """
    wanted, given = method.traits, usual.traits
    if wanted.is_learnable:
        return given.is_learnable or given.is_choice
    return not given.is_learnable and wanted.is_choice == given.is_choice


def _tokenizer(tokenizer: TokenizerRef) -> Check:
    name = f"tokenizer {tokenizer.repo}"
    if is_commit(tokenizer.revision):
        return Check(name=name, grade=Grade.OK, detail=f"at commit {tokenizer.revision}")
    detail = _can_move(tokenizer.revision)
    return Check(name=name, grade=Grade.FAILED, detail=detail, remedy=PIN)


def _can_move(revision: str) -> str:
    return (
        f"revision {revision!r} is not a commit of 40 hex digits, so validators may read "
        "different data"
    )


def _failed(source: Source, detail: str, remedy: str) -> Check:
    for prefix in ("source", "data set"):
        detail = detail.removeprefix(f"{prefix} {source.name}: ")
    return Check(name=_name(source), grade=Grade.FAILED, detail=detail, remedy=remedy)


def _name(source: Source) -> str:
    return f"data set {source.name}"


def _tokenizers(schedule: Schedule) -> Sequence[TokenizerRef]:
    competitions = [c for stage in schedule.stages for c in stage.competitions]
    return list(dict.fromkeys(c.tokenizer for c in competitions if c.tokenizer is not None))


def _tasks(schedule: Schedule) -> Iterator[tuple[str, Task]]:
    """Yield every task, with the number and name of its competition."""
    for stage in schedule.stages:
        for competition in stage.competitions:
            for task in competition.tasks:
                yield f"{competition.id} ({competition.name})", task
