"""A schedule as the text of a file to start from, with a comment for every key.

Values that a competition inherits are written out. A default is written where its key is explained,
which is once. The text loads to the same fingerprint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sn37.app.config.toml_tables import Table
from sn37.app.config.toml_writer import key_text, value_text
from sn37.app.schedule.competition_tables import (
    BaseModelTable,
    CompetitionTable,
    ConstraintsTable,
    EpsilonTable,
    NormalizationTable,
    NormsTable,
    TaskTable,
    TokenizerTable,
)
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.schedule.readiness import sources_of
from sn37.app.schedule.tables import ScheduleTable, SourceTable, StageTable, TimingTable
from sn37.domain.ids import Block
from sn37.domain.printable import printable
from sn37.domain.schedule.competition import Competition, Task
from sn37.domain.schedule.epsilon import LinearEpsilon
from sn37.domain.schedule.mixture import by_whole, have_one_level, mixed, wholes
from sn37.domain.schedule.normalization import InverseExponential, Normalization
from sn37.domain.schedule.schedule import Schedule

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A competition of the file, which stages refer to by the name of its table."""

    name: str
    competition: Competition  # with a share of 1
    summary: str | None


def toml_of(loaded: LoadedSchedule) -> str:
    """Return the text of a file with this schedule.

    Raises:
        ValueError: It cannot be written: a text has half of a surrogate pair.
    """
    return "\n".join([*_Writer().lines(loaded), ""])


class _Writer:
    """Writer of one file; it explains each key where the file has it first."""

    def __init__(self) -> None:
        self._explained: set[tuple[type[Table], str]] = set()

    def lines(self, loaded: LoadedSchedule) -> Iterator[str]:
        schedule, named = loaded.schedule, _named(loaded)
        origin = printable(" ".join(loaded.origin.split()))
        yield f"# {origin}, written by sn37 schedule show --toml."
        yield "# docs/schedules.md explains the format. After a change: sn37 schedule check FILE."
        yield ""
        yield from self._keys(ScheduleTable, _outermost(schedule))
        yield from self._table("[timing]", TimingTable, _fields(schedule.timing, TimingTable))
        for source in sources_of(schedule):
            values = _fields(source, SourceTable) | {"freshness": source.freshness.value}
            values["parameters"] = source.parameters or None
            yield from self._table(f"[sources.{key_text(source.name)}]", SourceTable, values)
        for one in named:
            yield from self._competition(one)
        for stage in schedule.stages:
            shares = {
                _find(named, loaded, stage.from_block, c).name: c.reward_share
                for c in stage.competitions
            }
            values = {"from_block": int(stage.from_block), "shares": shares}
            yield from self._table("[[stages]]", StageTable, values)

    def _competition(self, one: _Named) -> Iterator[str]:
        path, rules = f"competitions.{key_text(one.name)}", one.competition
        values = _fields(rules, CompetitionTable) | {
            "summary": one.summary,
            "epsilon": rules.epsilon.end,
            "constraints": None,
            "tasks": None,
            "tokenizer": None,
            "base_model": None,
        }
        is_table = isinstance(rules.epsilon, LinearEpsilon)
        skipped = {"constraints", "tasks", "tokenizer", "base_model"}
        skipped |= {"epsilon"} if is_table else set()
        yield from self._table(f"[{path}]", CompetitionTable, values, skipped=skipped)
        if is_table:
            margin = _fields(rules.epsilon, EpsilonTable)
            yield from self._table(f"[{path}.epsilon]", EpsilonTable, margin, skipped={"kind"})
        for key, table, value in (
            ("tokenizer", TokenizerTable, rules.tokenizer),
            ("base_model", BaseModelTable, rules.base_model),
        ):
            if value is not None:
                yield from self._table(f"[{path}.{key}]", table, _fields(value, table))
        limits = _fields(rules.constraints, ConstraintsTable) | {
            "architectures": sorted(rules.constraints.architectures)
        }
        yield from self._table(f"[{path}.constraints]", ConstraintsTable, limits, skipped={"norms"})
        norms = _fields(rules.constraints.norms, NormsTable)
        yield from self._table(f"[{path}.constraints.norms]", NormsTable, norms)
        for parts in by_whole(rules.tasks).values():
            yield from self._table(f"[[{path}.tasks]]", TaskTable, _task(parts))

    def _table(
        self, header: str, table: type[Table], values: Values, *, skipped: set[str] | None = None
    ) -> Iterator[str]:
        yield ""
        yield header
        yield from self._keys(table, values, skipped=skipped)

    def _keys(
        self, table: type[Table], values: Values, *, skipped: set[str] | None = None
    ) -> Iterator[str]:
        """Yield a line for each key that has a value, and once for each that could have one."""
        for key, field in table.model_fields.items():
            if key in (skipped or ()) or (table is ScheduleTable and key not in values):
                continue
            value = values.get(key)
            is_new = (table, key) not in self._explained
            comment = f" # {field.description}" if is_new else ""
            if value == field.default and not is_new:
                continue
            if value is not None:
                yield f"{key_text(key)} = {value_text(value)}{comment}"
            elif is_new:
                yield f"# {key_text(key)} = ...{comment}"
            self._explained.add((table, key))


def _outermost(schedule: Schedule) -> Values:
    return {
        "netuid": int(schedule.netuid),
        "max_new_entries": schedule.max_new_entries,
        "warmup_rounds": schedule.warmup_rounds,
        "burn": schedule.burn,
        "standings": schedule.standings.value,
        "commitment_format": schedule.commitment_format.value,
    }


def _fields(value: object, table: type[Table]) -> dict[str, object]:
    """Return the values of the keys that are fields of a domain value."""
    return {key: getattr(value, key) for key in table.model_fields if hasattr(value, key)}


def _task(parts: Sequence[Task]) -> Values:
    """Return the values of a task, or of a mixture with the counts of its parts as weights."""
    whole = wholes(parts)[0]
    values = _fields(whole, TaskTable) | {
        "method": whole.method.value,
        "normalization": _normalization(whole.normalization),
    }
    if len(parts) == 1:
        return values | {"source": whole.source.name}
    counts = [(part.source, float(part.num_samples)) for part in parts]
    own = {part.source.name: part.level for part in parts if part.level is not None}
    levels = None if have_one_level(parts) else own
    weight = next(
        near
        for near in _near(math.fsum(part.weight for part in parts))
        if mixed(replace(whole, weight=near), counts, levels) == tuple(parts)
    )
    return values | {
        "source": None,
        "weight": weight,
        "mixture": {part.source.name: part.num_samples for part in parts},
        "level": whole.level if levels is None else levels,
    }


def _near(weight: float) -> Iterator[float]:
    """Yield numbers near a mixture's weight, those with fewest digits first.

    The weights of its parts are rounded, so their sum can be a little more or less than its own.
    """
    yield from (float(f"{weight:.{digits}g}") for digits in range(1, 18))
    for bound in (0.0, math.inf):
        near = weight
        for _ in range(4):
            near = math.nextafter(near, bound)
            yield near


def _normalization(found: Normalization) -> Values | None:
    if isinstance(found, InverseExponential):
        return _fields(found, NormalizationTable)
    return None


def _named(loaded: LoadedSchedule) -> Sequence[_Named]:
    """Return the different competitions of all stages, each with a name of its own."""
    found: list[_Named] = []
    for stage in loaded.schedule.stages:
        for competition in stage.competitions:
            rules = replace(competition, reward_share=1.0)
            summary = loaded.summary_at(stage.from_block, competition)
            if any((one.competition, one.summary) == (rules, summary) for one in found):
                continue
            name, taken = competition.name.lower(), {one.name for one in found}
            number = next(n for n in range(1, len(found) + 2) if _numbered(name, n) not in taken)
            found.append(_Named(name=_numbered(name, number), competition=rules, summary=summary))
    return found


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def _find(
    named: Sequence[_Named], loaded: LoadedSchedule, block: Block, competition: Competition
) -> _Named:
    summary = loaded.summary_at(block, competition)
    wanted = (replace(competition, reward_share=1.0), summary)
    return next(one for one in named if (one.competition, one.summary) == wanted)
