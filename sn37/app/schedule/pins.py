"""Revisions of a schedule: which can move, and how a file gets those that the hosts have today."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from sn37.app.config import toml_lines
from sn37.app.config import toml_reader as toml_files
from sn37.app.errors import CommandError
from sn37.app.schedule.tables import parameter
from sn37.domain.ids import is_commit
from sn37.domain.schedule.competition import Freshness, Source
from sn37.domain.schedule.schedule import Schedule
from sn37.ports.dataset import Pin

PinSource = Callable[[Source], Awaitable[Pin | None]]
ModelCommit = Callable[[str, str], Awaitable[str]]  # repository and branch to commit

WRITTEN = frozenset({"revision", "manifest"})  # parameters that pinning writes
BRANCH = "main"

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A revision that was found, and what was written in the place of the old one."""

    where: str  # table of the file
    old: str
    new: Mapping[str, str]  # by key
    told: str = ""


def revision_of(source: Source) -> str | None:
    """Return the revision that a source reads; ``None`` if it has none."""
    revision = source.parameters.get("revision")
    return None if revision is None else str(revision)


def unpinned(schedule: Schedule) -> tuple[str, ...]:
    """Return a description of each revision that is not a commit, so that it can move."""
    competitions = [c for stage in schedule.stages for c in stage.competitions]
    tokenizers = {c.tokenizer for c in competitions if c.tokenizer is not None}
    sources = {t.source.name: t.source for c in competitions for t in c.tasks}
    found = [
        *((f"tokenizer {t.repo}", t.revision) for t in tokenizers),
        *(
            (f"source {name}", r)
            for name, s in sources.items()
            if (r := revision_of(s)) is not None
        ),
    ]
    return tuple(sorted(f"{what} at {r!r}" for what, r in found if not is_commit(r)))


def require_pinned(schedule: Schedule, origin: str) -> None:
    """Check that every revision is a commit.

    Raises:
        CommandError: One is not.
    """
    if found := unpinned(schedule):
        raise CommandError(
            f"{origin}: {', '.join(found)}: not a commit of 40 hex digits, so validators may read "
            "different data; sn37 schedule pin writes today's commits"
        )


async def pin(
    text: str, pin_source: PinSource, model_commit: ModelCommit
) -> tuple[str, tuple[Pinned, ...]]:
    """Return the text of a schedule with all revisions pinned, and what was changed.

    A revision that is a commit stays. Further values that a data set pins, such as the digest of a
    manifest, are added.

    Args:
        text: A valid schedule.
        pin_source: ``Sources.pin``; the values of the source other than name and parameters are
            not those of the schedule.
        model_commit: Returns the commit of a model's repository that a branch has today.

    Raises:
        CommandError: A data set is missing or cannot be pinned, the text cannot be changed, or it
            only holds what differs from another schedule.
        DatasetUnavailable, StoreUnavailable: A host does not answer.
    """
    table = toml_files.parse(text)
    if "base" in table:
        raise CommandError(f"pin {table['base']}, which this schedule changes, and name the result")
    found: list[Pinned] = []
    for where, tokenizer in _tables(table, "competitions", "tokenizer"):
        revision = str(tokenizer["revision"])
        if not is_commit(revision):
            commit = await model_commit(str(tokenizer["repo"]), revision)
            new = {"revision": commit}
            text = _changed(text, (*where, "tokenizer"), new)
            found.append(Pinned(where=".".join(where), old=revision, new=new))
    for where, parameters in _tables(table, "sources", "parameters"):
        if _is_open(parameters):
            pinned = await _pin_source(where[1], parameters, pin_source)
            text = _changed(text, (*where, "parameters"), pinned.new)
            found.append(pinned)
    return text, tuple(found)


async def _pin_source(name: str, parameters: Mapping[str, object], pin_source: PinSource) -> Pinned:
    given = {key: parameter(key, value) for key, value in parameters.items()}
    source = Source(name=name, freshness=Freshness.NONE, parameters=given)
    try:
        pinned = await pin_source(source)
    except (LookupError, ValueError) as error:
        raise CommandError(str(error.args[0])) from error
    if pinned is None:
        raise CommandError(f"data set {name} cannot pin its revision: write a commit yourself")
    return Pinned(
        where=f"sources.{name}",
        old=str(parameters["revision"]),
        new=pinned.parameters,
        told=pinned.told,
    )


def _is_open(parameters: Mapping[str, object]) -> bool:
    if "revision" not in parameters:
        return False
    has_manifest = _DIGEST.fullmatch(str(parameters.get("manifest", ""))) is not None
    return not (is_commit(str(parameters["revision"])) and has_manifest)


def _tables(
    table: Mapping[str, object], kind: str, key: str
) -> Iterator[tuple[tuple[str, str], Mapping[str, object]]]:
    for name, inner in _inner(table, kind).items():
        if isinstance(inner, dict) and key in inner:
            yield (kind, name), _inner(inner, key)


def _inner(table: Mapping[str, object], key: str) -> dict[str, object]:
    """Return a table in a table of a valid schedule."""
    match table[key]:
        case dict() as inner:
            return inner
    raise TypeError(f"{key} is not a table")


def _changed(text: str, where: toml_lines.Path, new: Mapping[str, str]) -> str:
    """Return the text with other values in one table; nothing else of it changes.

    Raises:
        CommandError: The table is written in a way that this function does not know.
    """
    expected = table = toml_files.parse(text)
    for part in where:
        table = _inner(table, str(part))
    changed, anchor = text, "revision"
    for key, value in new.items():
        is_there = key in table
        changed = _with_value(changed, where, key if is_there else anchor, key, value, is_there)
        table[key], anchor = value, key
    try:
        is_right = toml_files.parse(changed) == expected
    except toml_files.UnreadableToml:
        is_right = False
    if not is_right:
        values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in new.items())
        raise CommandError(f"{'.'.join(map(str, where))} cannot be changed here: write {values}")
    return changed


def _with_value(
    text: str, where: toml_lines.Path, anchor: str, key: str, value: str, is_there: bool
) -> str:
    """Replace the value of ``key``, or add the key behind ``anchor``."""
    lines = toml_lines.key_lines(text)
    line = toml_lines.line_of(lines, (*where, anchor)) or 1
    begin = sum(len(part) for part in text.splitlines(keepends=True)[: line - 1])
    assignment = re.compile(rf"(\b{anchor}[ \t]*=[ \t]*)(\"[^\"\n]*\"|'[^'\n]*')")
    found = assignment.search(text, begin)
    if found is None:
        return text
    written = json.dumps(value)
    if is_there:
        return f"{text[: found.start()]}{found[1]}{written}{text[found.end() :]}"
    separator = "\n" if (*where, anchor) in lines else ", "
    return f"{text[: found.end()]}{separator}{key} = {written}{text[found.end() :]}"
