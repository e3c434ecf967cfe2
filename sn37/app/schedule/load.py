"""Reader of the schedule that all validators share: TOML in, domain values out.

A file declares ``sources``, ``competitions`` (each a table with a name) and ``stages`` that
give shares to competitions by that name. A competition may name an earlier one as its
``base``: keys that it does not have are taken from there, whole. The file may name a preset or
another file as its ``base``, and only hold what differs from it, see ``overlay``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from sn37.app.config import toml_lines
from sn37.app.config import toml_reader as toml_files
from sn37.app.config.toml_tables import explain, keys_of
from sn37.app.schedule.competition_tables import CompetitionTable
from sn37.app.schedule.overlay import Overlaid, WrongBase, with_base
from sn37.app.schedule.tables import ScheduleTable
from sn37.domain.canonical import as_json, canonical_digest
from sn37.domain.ids import Block, CompetitionId, Digest
from sn37.domain.printable import printable
from sn37.domain.schedule.broken_rule import BrokenRule
from sn37.domain.schedule.competition import Competition, Source
from sn37.domain.schedule.schedule import Schedule, Stage
from sn37.wrong_values import shown

PRESETS = ("finney", "simnet", "chat_reasoning")
TemplateProblem = Callable[[str], str | None]


class ScheduleError(Exception):
    """The schedule cannot be used; the message names file, line and key, and says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSchedule:
    """A schedule, and the digest by which validators compare it."""

    schedule: Schedule
    fingerprint: Digest  # hex sha256 of the canonical JSON of the schedule
    origin: str  # file, or name of the preset
    # Sentences for people by first block of the stage and competition. They decide nothing, so the
    # fingerprint does not cover them (decision 67).
    summaries: Mapping[tuple[Block, CompetitionId], str] = field(default_factory=dict)

    def summary_at(self, block: Block, competition: Competition) -> str | None:
        """Return the sentence on a competition that runs at a block, if it has one."""
        starts = [s.from_block for s in self.schedule.stages if s.from_block <= block]
        return self.summaries.get((max(starts), competition.id)) if starts else None


def preset_of(network: str) -> str:
    """Return the preset that a network runs when no file is named."""
    return "simnet" if network == "simnet" else "finney"


def preset_with(fingerprint: str) -> str | None:
    """Return the preset with this fingerprint, if this version has it."""
    for preset in PRESETS:
        if load_schedule(preset).fingerprint == fingerprint:
            return preset
    return None


def load_schedule(
    source: Path | str,
    *,
    template_problem: TemplateProblem | None = None,
) -> LoadedSchedule:
    """Read a schedule file, or a preset by its name.

    Args:
        template_problem: Returns why a chat template cannot be rendered; called for each one.

    Raises:
        ScheduleError: The file cannot be read, or breaks a rule.
    """
    origin, text = read_schedule(source)
    reader = _Reader(origin=origin, text=text, folder=Path(source).parent)
    schedule = reader.read(template_problem)
    return LoadedSchedule(
        schedule=schedule,
        fingerprint=canonical_digest(as_json(schedule)),
        origin=origin,
        summaries=MappingProxyType(reader.summaries),
    )


def read_schedule(source: Path | str) -> tuple[str, str]:
    """Return the name of a file or preset for messages, and its text.

    Raises:
        ScheduleError: The file cannot be read.
    """
    if isinstance(source, str) and source in PRESETS:
        return f"preset {source}", (files("sn37.app") / f"schedules/{source}.toml").read_text()
    path = Path(source)
    try:
        return str(path), toml_files.read_text(path)
    except toml_files.UnreadableToml as error:
        raise ScheduleError(f"{path}: {error}") from error
    except ValueError as error:
        raise ScheduleError(f"{printable(str(path))}: no file can have this name") from error
    except OSError as error:
        hint = f"; presets: {', '.join(PRESETS)}" if isinstance(error, FileNotFoundError) else ""
        raise ScheduleError(f"{path}: {error.strerror or error}{hint}") from error


class _Reader:
    """Reader of one file, with the line of each key.

    Args:
        folder: Where the file of a relative base is.
    """

    def __init__(self, *, origin: str, text: str, folder: Path) -> None:
        self._origin = origin
        self._text = text
        self._folder = folder
        self._read = Overlaid({}, {})
        self.summaries: dict[tuple[Block, CompetitionId], str] = {}

    def read(self, template_problem: TemplateProblem | None) -> Schedule:
        table = self._table()
        sources = self._sources(table)
        for index, stage in enumerate(table.stages):
            for name in stage.shares:
                if name not in table.competitions:
                    declared = ", ".join(table.competitions)
                    raise self._error(
                        ("stages", index, "shares", name),
                        f"no competition table has this name; declared: {declared}",
                    )
        # First each competition by itself, so that errors name its own line.
        for name, competition in table.competitions.items():
            for index, task in enumerate(competition.tasks):
                with self._located(("competitions", name, "tasks", index)):
                    task.value(sources)
            with self._located(("competitions", name, "constraints")):
                competition.constraints.value()
            with self._located(("competitions", name)):
                competition.value(1.0, sources)
        stages: list[Stage] = []
        for index, stage in enumerate(table.stages):
            with self._located(("stages", index)):
                stages.append(stage.value(table.competitions, sources))
            for name in stage.shares:
                competition = table.competitions[name]
                if competition.summary is not None:
                    key = Block(stage.from_block), CompetitionId(competition.id)
                    self.summaries[key] = competition.summary
        with self._located(("timing",)):
            table.timing.value()
        with self._located(()):
            schedule = table.value(tuple(stages))
        if template_problem is not None:
            self._render(table.competitions, template_problem)
        return schedule

    def _render(
        self, competitions: Mapping[str, CompetitionTable], problem: TemplateProblem
    ) -> None:
        rendered: set[str] = set()
        for name, competition in competitions.items():
            template = competition.template
            if template is None or template in rendered:
                continue
            if (why := problem(template)) is not None:
                raise self._error(("competitions", name, "template"), why)
            rendered.add(template)

    def _table(self) -> ScheduleTable:
        try:
            self._read = with_base(self._origin, self._text, self._base)
        except toml_files.UnreadableToml as error:
            place = "" if error.line is None else f", line {error.line}"
            raise ScheduleError(f"{self._origin}{place}: {error}") from error
        except WrongBase as error:
            self._read = Overlaid({}, {p: (self._origin, line) for p, line in self._own_lines()})
            raise self._error(error.path, str(error)) from error
        given = self._read.table
        self._inherit(given.get("competitions"))
        try:
            return ScheduleTable.model_validate(given)
        except ValidationError as error:
            # Missing keys come last: an unknown key is often the missing one, misspelt.
            first = min(
                error.errors(), key=lambda e: (e["type"] == "missing", self._line(e["loc"]))
            )
            raise self._error(first["loc"], explain(first, _KEYS)) from error

    def _base(self, name: str) -> tuple[str, str]:
        if name in PRESETS:
            return read_schedule(name)
        path = self._folder / name
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise WrongBase(f"{path} is not a file", ("base",))
        return read_schedule(path)

    def _own_lines(self) -> Iterable[tuple[toml_lines.Path, int]]:
        return toml_lines.key_lines(self._text).items()

    def _inherit(self, competitions: object) -> None:
        """Fill in the keys that each competition takes from its base, earlier in the file."""
        if not isinstance(competitions, dict):
            return
        earlier: dict[str, dict[str, object]] = {}
        for name, table in competitions.items():
            if isinstance(table, dict) and "base" in table:
                base = table.pop("base")
                if not isinstance(base, str) or base not in earlier:
                    above = ", ".join(earlier) or "none"
                    raise self._error(
                        ("competitions", name, "base"),
                        f"{shown(base)} is not the name of a competition table above this one; "
                        f"those above: {above}",
                    )
                competitions[name] = table = {**earlier[base], **table}
            if isinstance(table, dict):
                earlier[name] = table

    def _sources(self, table: ScheduleTable) -> dict[str, Source]:
        sources: dict[str, Source] = {}
        for name, source in table.sources.items():
            with self._located(("sources", name)):
                sources[name] = source.value(name)
        return sources

    @contextmanager
    def _located(self, table: toml_lines.Path) -> Iterator[None]:
        """Turn a domain error into an error at the first of its keys that the file has."""
        try:
            yield
        except BrokenRule as error:
            places = self._read.places
            given = [path for key in error.keys if (path := (*table, key)) in places]
            own = [path for path in given if places[path][0] == self._origin]  # not of the base
            raise self._error(next(iter((*own, *given)), table), str(error)) from error

    def _line(self, path: toml_lines.Path) -> int:
        return self._place(path)[1]

    def _place(self, path: toml_lines.Path) -> tuple[str, int]:
        return self._read.place(path) or (self._origin, 1)

    def _error(self, path: toml_lines.Path, why: str) -> ScheduleError:
        key = ".".join(str(part) for part in path)
        origin, line = self._place(path)
        return ScheduleError(f"{origin}, line {line}: {key}: {why}")


_KEYS = sorted(keys_of(ScheduleTable.model_json_schema()) | {"base"})
