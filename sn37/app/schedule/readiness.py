"""Checks of whether a validator on this machine can run a schedule.

The start of a validator, ``sn37 doctor``, ``sn37 chain check`` and ``sn37 schedule check`` make
these same checks, so that all of them say the same about a fault.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from importlib.util import find_spec

from sn37.app.errors import CommandError
from sn37.app.schedule.pins import is_commit, revision_of
from sn37.domain.check_line import Check, Grade
from sn37.domain.schedule.competition import Source, Task, TokenizerRef
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.dataset import Description
from sn37.ports.errors import DatasetUnavailable

# Opens a source and returns what its plug-in says of it; raises ``LookupError``, ``ValueError`` or
# ``DatasetUnavailable``.
OpenSource = Callable[[Source], Awaitable[Description | None]]

PIN = "write today's commits with sn37 schedule pin"


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
    for source in sources_of(schedule):
        if source.name in simulated:
            found = Check(name=_name(source), grade=Grade.OK, detail="of the simulated network")
        else:
            found = await _source(source, open_source, installed)
        yield found
    for tokenizer in _tokenizers(schedule):
        yield _tokenizer(tokenizer)
    for where, task in dict.fromkeys(
        (f"task {task.name} of competition {where}", task.method)
        for where, task in _tasks(schedule)
    ):
        yield Check(name=where, grade=Grade.OK, detail=task.value)


def require_ready(checks: Sequence[Check], origin: str) -> None:
    """Check that none of the checks failed.

    Args:
        origin: File or preset of the schedule.

    Raises:
        CommandError: Some did; it has all of them, each with its remedy.
    """
    failed = [check for check in checks if check.grade is Grade.FAILED]
    if len(failed) == 1:
        raise CommandError(f"{origin}: {failed[0].finding}")
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
        return _failed(source, str(error), f"correct sources.{source.name}, or its plug-in")
    except DatasetUnavailable as error:
        return _failed(source, str(error), f"find the cause with sn37 data check {source.name}")
    packages = () if description is None else description.packages
    if lacking := [name for name in packages if find_spec(name) is None]:
        detail = f"needs {', '.join(lacking)}, which is not installed"
        what = description.install if description else ""
        return _failed(source, detail, f"run pip install '{what or ' '.join(lacking)}'")
    return Check(name=_name(source), grade=Grade.OK, detail="installed, takes its parameters")


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
