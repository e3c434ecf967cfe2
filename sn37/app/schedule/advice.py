"""Schedules for people: description, differences between two, and warnings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sn37.domain.canonical import JsonValue, as_json
from sn37.domain.round.leverage import MAX_ROUNDS, leverages, undecided
from sn37.domain.schedule.competition import Competition, Freshness, Source, Task
from sn37.domain.schedule.epsilon import Epsilon, LinearEpsilon
from sn37.domain.schedule.mixture import by_whole, have_one_level, wholes
from sn37.domain.schedule.schedule import Schedule

SMALLEST_EPSILON = 0.005  # below it a copy that is better by a quarter per cent could win

FEWEST_SIGNERS = 5  # as on finney; with fewer, one signer has a large part of the rows

NO_BURN = (
    "burn is not set, and all rows are signed: a signer that withholds its rows keeps rounds from "
    "being judged, and without burn nobody else can be paid; set burn to a hotkey of the subnet"
)

NO_BURN_BESIDE = (
    "burn is not set, and {names} can be kept from being judged by a signer that withholds rows; "
    "without burn its share goes to the champions of the other competitions, who would gain by "
    "that; set burn to a hotkey of the subnet"
)

PRESENT = "present"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A value that differs between two schedules; ``None`` if a schedule does not have it."""

    where: str
    old: JsonValue
    new: JsonValue


def differences(old: Schedule, new: Schedule) -> tuple[Difference, ...]:
    """Return the differences; stages are matched by block, competitions by id, tasks by name."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    found: list[Difference] = []
    # Whole stages, competitions and tasks of one side; their values are not listed.
    gone: tuple[str, ...] = ()
    for where in dict.fromkeys((*before, *after)):
        was, is_ = before.get(where), after.get(where)
        if was == is_ or where.startswith(gone):
            continue
        found.append(Difference(where=where, old=was, new=is_))
        if PRESENT in (was, is_):
            gone = (*gone, f"{where}:", f"{where},")
    return tuple(found)


def warnings(
    schedule: Schedule,
    *,
    scorable: Collection[str] | None = None,
    renders_templates: bool = True,
) -> tuple[str, ...]:
    """Return a line for every value that is allowed but probably a mistake.

    Args:
        scorable: Classes of models that a validator here can score; ``None``: not checked.
        renders_templates: True if chat templates were rendered when the schedule was read.
    """
    found: dict[str, list[int]] = {}
    for stage in schedule.stages:
        for competition in stage.competitions:
            for warning in (
                *_doubts(competition),
                *_not_scored(competition, scorable),
                *(() if renders_templates else _not_rendered(competition)),
            ):
                found.setdefault(f"{competition.name}: {warning}", []).append(stage.from_block)
    if schedule.burn is None:
        for stage in schedule.stages:
            if all(
                t.source.signers_netuid is not None for c in stage.competitions for t in c.tasks
            ):
                found.setdefault(NO_BURN, []).append(stage.from_block)
    return tuple(f"from {_blocks(blocks)}, {line}" for line, blocks in found.items())


def _blocks(blocks: Sequence[int]) -> str:
    plural = "block" if len(blocks) == 1 else "blocks"
    return f"{plural} {', '.join(map(str, blocks))}"


def competition_lines(competition: Competition, summary: str | None = None) -> Iterator[str]:
    """Describe a competition: what it is for, limits of models, tasks, and the margin to win."""
    limits = competition.constraints
    tokenizer = competition.tokenizer
    unit = f"nats per token of {tokenizer.repo}" if tokenizer else "bits per byte"
    yield f"{competition.id} {competition.name}: share {competition.reward_share:g}, {unit}"
    if summary is not None:
        yield f"  {summary}"
    yield (
        f"  {limits.min_parameters:,} to {limits.max_parameters:,} parameters, "
        f"{limits.max_bytes / 2**30:.3g} GiB, {limits.max_tokens:,} tokens, "
        f"{', '.join(sorted(limits.architectures))}"
    )
    norms = limits.norms
    yield (
        f"  norms at most {norms.hard:g}, {norms.soft_share:.0%} of them above {norms.soft:g}; "
        f"numbers at most {norms.largest_matrix:g} in a matrix, {norms.largest_embedding:g} in an "
        f"embedding or output layer, {norms.largest_scale:g} in a scale, {norms.largest_bias:g} "
        "in a bias"
    )
    yield (
        f"  scored {competition.delay_blocks} blocks after the commitment; "
        f"margin {_margin(competition.epsilon)}; at most {competition.timeout_s:g} s a model; "
        f"a mean loss below {competition.floor:g} is implausible"
    )
    if (base := competition.base_model) is not None:
        yield (
            f"  rows whose loss under {base.repo} is more than {base.max_deviations:g} deviations "
            f"from the others are replaced, from a reserve of {base.reserve:.0%} of the sample"
        )
    for name, parts in by_whole(competition.tasks).items():
        whole, has_one_level = wholes(parts)[0], have_one_level(parts)
        of = _source(whole.source) if len(parts) == 1 else f"a mixture of {len(parts)} sources"
        yield (
            f"  {whole.weight:g} x {name}: {whole.method.value}, {whole.num_samples} samples "
            f"of {of}{_level(whole) if has_one_level else ''}"
        )
        for part in parts if len(parts) > 1 else ():
            level = "" if has_one_level else _level(part)
            yield f"      {part.num_samples} of {_source(part.source)}{level}"


def _source(source: Source) -> str:
    age = f", rows at most {source.max_age_s} s old" if source.max_age_s else ""
    return f"{source.name} (freshness {source.freshness.value}{age})"


def _level(task: Task) -> str:
    return "" if task.level is None else f", level {task.level:g}"


def _margin(epsilon: Epsilon) -> str:
    if isinstance(epsilon, LinearEpsilon):
        return (
            f"{epsilon.start:.3g} falling to {epsilon.stop:.3g} in {epsilon.decay_blocks:,} blocks"
        )
    return f"{epsilon.end:.3g}"


def leverage_lines(schedule: Schedule) -> tuple[str, ...]:
    """Return what a given gain in one task alone is worth, for each task."""
    found: dict[str, list[int]] = {}
    for stage in schedule.stages:
        for competition in stage.competitions:
            for worth in leverages(competition):
                takes = "never takes the crown"
                if worth.rounds is not None:
                    plural = "round" if worth.rounds == 1 else "rounds"
                    takes = f"takes the crown in about {worth.rounds} {plural}"
                line = (
                    f"{competition.name}, {worth.task.name}: a gain of {worth.gain:.0%} in this "
                    f"task alone is {worth.relative_gain:.2%} of the score and {takes}"
                )
                found.setdefault(line, []).append(stage.from_block)
    return tuple(f"from {_blocks(blocks)}, {line}" for line, blocks in found.items())


def undecided_lines(schedule: Schedule) -> tuple[str, ...]:
    """Return a line for each task in which not even a large gain can take the crown."""
    found: dict[str, None] = {}
    for stage in schedule.stages:
        for competition in stage.competitions:
            for worth in undecided(competition):
                takes = "never" if worth.rounds is None else f"after {worth.rounds} rounds"
                found[
                    f"from block {stage.from_block}, {competition.name}, {worth.task.name}: a gain "
                    f"of {worth.gain:.0%} in this task alone is {worth.relative_gain:.2%} of the "
                    f"score and takes the crown {takes}; a schedule may need at most {MAX_ROUNDS} "
                    "rounds: give the task more weight or samples, or epsilon a smaller end"
                ] = None
    return tuple(found)


def unburnt_lines(schedule: Schedule) -> tuple[str, ...]:
    """Return a line for each stage in which withheld rows would pay another champion.

    One task on signed rows suffices, because a round without the rows of one task is sat out.
    """
    if schedule.burn is not None:
        return ()
    found: dict[str, list[int]] = {}
    for stage in schedule.stages:
        all_ = stage.competitions
        signed = [c for c in all_ if any(t.source.signers_netuid is not None for t in c.tasks)]
        if signed and len(all_) > 1:
            line = NO_BURN_BESIDE.format(names=" or ".join(c.name for c in signed))
            found.setdefault(line, []).append(stage.from_block)
    return tuple(f"from {_blocks(blocks)}, {line}" for line, blocks in found.items())


def sources_without_freshness(schedule: Schedule) -> tuple[str, ...]:
    """Return the sources whose rows may be older than the models.

    Only the later block hash protects against models trained on their rows.
    """
    return tuple(
        sorted(
            {
                task.source.name
                for stage in schedule.stages
                for competition in stage.competitions
                for task in competition.tasks
                if task.source.freshness is Freshness.NONE
            }
        )
    )


def _doubts(competition: Competition) -> Iterator[str]:
    if competition.epsilon.end < SMALLEST_EPSILON:
        yield (
            f"epsilon ends at {competition.epsilon.end:.3%}, below {SMALLEST_EPSILON:.1%}: "
            "a copy that is better by a quarter per cent could take the crown"
        )
    if len(tasks := wholes(competition.tasks)) > 1 and any(t.level is None for t in tasks):
        yield (
            "its tasks have no levels, so weights are not shares of the score: a task with large "
            "losses decides alone, and the value of a gain is not known; sn37 schedule levels "
            "proposes levels"
        )
    base = competition.base_model
    if base is not None and base.tensor_digest is None:
        yield (
            f"base model {base.repo} is pinned only by its commit, which relies on the host; add "
            "the tensor_digest that sn37 check shows"
        )
    for source in dict.fromkeys(task.source.name for task in competition.tasks):
        asked = next(t.source for t in competition.tasks if t.source.name == source)
        if asked.signers_netuid is not None and asked.min_signers < FEWEST_SIGNERS:
            yield (
                f"source {source} has min_signers {asked.min_signers}: with fewer than "
                f"{FEWEST_SIGNERS} signers, each has a large part of the rows; raise it"
            )


def _not_scored(competition: Competition, scorable: Collection[str] | None) -> Iterator[str]:
    if scorable is None:
        return
    for name in sorted(competition.constraints.architectures - set(scorable)):
        yield (
            f"no validator of this version can score {name}, so all models of it are refused; "
            f"it can score {', '.join(sorted(scorable))}"
        )


def _not_rendered(competition: Competition) -> Iterator[str]:
    if competition.template is not None:
        yield (
            "its chat template was not rendered, jinja2 is missing: run pip install 'sn37[scorer]'"
        )


def _leaves(schedule: Schedule) -> Iterator[tuple[str, JsonValue]]:
    for name, value in _table(as_json(schedule)).items():
        if name != "stages":
            yield from _walk(name, value)
    for stage in schedule.stages:
        where = f"from block {stage.from_block}"
        yield where, PRESENT
        for competition in stage.competitions:
            prefix = f"{where}, competition {competition.id}"
            yield prefix, PRESENT
            for name, value in _table(as_json(competition)).items():
                if name not in ("id", "tasks"):
                    yield from _walk(f"{prefix}: {name}", value)
            for task in competition.tasks:
                yield f"{prefix}, task {task.name}", PRESENT
                for name, value in _table(as_json(task)).items():
                    if name != "name":
                        yield from _walk(f"{prefix}, task {task.name}: {name}", value)


def _walk(where: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict) and value:
        for key, element in value.items():
            yield from _walk(f"{where}.{key}", element)
    else:
        yield where, value


def _table(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise TypeError(f"expected a table, not {value!r}")
    return value
