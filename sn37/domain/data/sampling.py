"""Reproducible draws: the rows of a round depend on its seed and a frozen pool only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from heapq import nsmallest
from itertools import chain, islice
from math import ceil
from operator import itemgetter

from sn37.domain.canonical import JsonValue, canonical_digest
from sn37.domain.data.batches import TaskBatch
from sn37.domain.data.repeats import held_elsewhere
from sn37.domain.data.samples import Pool, Sample, TimeWindow
from sn37.domain.ids import BLOCK_SECONDS, CompetitionId, Digest, Hotkey, Netuid, Seed, TaskName

# A block's author sets its time and may be late within its slot, so two blocks can be a few
# seconds closer than their numbers say. Reading a minute too much is harmless.
AUTHOR_DRIFT = timedelta(seconds=60)

_Ranked = tuple[bytes, Sample]
_BY_RANK = itemgetter(0)


# A signer counts fully towards the cap if its rows are at least this part of a draw.
FULL_PART = Fraction(1, 20)
# A signer gives at most this many equal shares. With 2, a third of the signers could flood a draw
# and have two thirds of its rows. With 1.25, fewer than two fifths of the signers have no majority.
MOST_SHARES = Fraction(5, 4)


class NotEnoughRows(ValueError):
    """The pool holds fewer drawable rows than a task needs."""

    def __init__(self, requested: int, available: int, message: str = "") -> None:
        super().__init__(message or f"asked for {requested} samples, {available} qualify")
        self.requested = requested
        self.available = available


class TooFewSigners(NotEnoughRows):
    """Fewer signers than the source requires have enough rows in the pool."""

    def __init__(self, requested: int, available: int, *, least_rows: int) -> None:
        rows = "a row" if least_rows == 1 else f"{least_rows} rows"
        super().__init__(
            requested,
            available,
            f"{available} signers with {rows} or more each, at least {requested} are needed",
        )


def seed_of(*, netuid: Netuid, competition: CompetitionId, task: TaskName, block_hash: str) -> Seed:
    """Return the seed of one task's draw: sha256 of ``sn37/seed/1|netuid|competition|task|hash``.

    ``block_hash`` is the sync block's, 0x-prefixed. It does not exist yet when models are
    committed and when the pool is frozen (attacks 15 and 42).
    """
    text = f"sn37/seed/1|{netuid}|{competition}|{task}|{block_hash.lower()}"
    return Seed(int.from_bytes(sha256(text.encode()).digest(), "big"))


def rank(sample: Sample, *, task: TaskName, seed: Seed) -> bytes:
    """Return a row's rank in a draw: a keyed hash of that row alone. The lowest are taken."""
    return _ranks(task, seed)(sample)


def _ranks(task: TaskName, seed: Seed) -> Callable[[Sample], bytes]:
    """Return the rank function of one draw; the common prefix is hashed only once."""
    begun = sha256(f"sn37/draw/1|{seed:064x}|{task}|".encode())

    def ranked(sample: Sample) -> bytes:
        hashed = begun.copy()
        hashed.update(f"{sample.provenance.row_id}|{sample.content_hash}".encode())
        return hashed.digest()

    return ranked


def first_by_rank(pool: Pool, count: int, *, task: TaskName, seed: Seed) -> tuple[Sample, ...]:
    """Return up to ``count`` rows in the order of their rank alone, without a cap on signers."""
    return tuple(nsmallest(count, pool.samples, key=_ranks(task, seed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Rows of a draw, and a reserve to replace rows that are set aside later."""

    samples: tuple[Sample, ...]
    reserve: tuple[Sample, ...]  # in the order in which they are used
    cap: int  # largest number of rows of one signer among the samples


def draw(
    pool: Pool,
    *,
    task: TaskName,
    count: int,
    seed: Seed,
    signer_share: float = 1.0,
    min_signers: int = 0,
) -> tuple[Sample, ...]:
    """Take ``count`` rows by rank, spread over strata, each signer up to its cap.

    Equal texts count for the signer with the fewest rows (``repeats.held_elsewhere``). Then each
    signer's rows are spread (:func:`_spread`) and cut at the cap. The rest is spread together
    with the unsigned rows, and the first ``count`` are drawn. So rows of one stratum, or without
    strata, are taken in the order of their rank.

    A row that only one validator saw changes at most two samples: itself, and the one it
    displaces; with more than one stratum and a signer at its cap, four. docs/decisions/0037
    has the proof. It changes the cap (``signer_cap``) only if its signer has few rows, or if all
    rows are needed; each signer at the cap then changes by a row or two (docs/decisions/0055).

    Raises:
        TooFewSigners: Fewer than ``min_signers`` signers have ``least_rows``.
        NotEnoughRows: Fewer than ``count`` rows qualify; no row is taken twice.
    """
    return draw_with_reserve(
        pool,
        task=task,
        count=count,
        seed=seed,
        signer_share=signer_share,
        min_signers=min_signers,
        num_reserve=0,
    ).samples


def draw_with_reserve(
    pool: Pool,
    *,
    task: TaskName,
    count: int,
    seed: Seed,
    signer_share: float,
    min_signers: int,
    num_reserve: int,
) -> Drawn:
    """Draw as ``draw`` does, then up to ``num_reserve`` of the remaining rows in the same way.

    One signer gives at most the same share of the reserve as of the draw.

    Raises:
        TooFewSigners, NotEnoughRows: As ``draw``. The reserve may be smaller, or empty.
    """
    if len(pool.samples) >= count:  # otherwise the number of rows is what to say
        _require_signers(pool, count, min_signers)
    elsewhere = held_elsewhere(pool.samples, key=f"{seed:064x}|{task}")
    samples = [s for s in pool.samples if s.provenance.row_id not in elsewhere]
    num_rows = Counter(s.provenance.signer for s in samples)
    num_unsigned = num_rows.pop(None, 0)
    cap = signer_cap(count, signer_share, num_rows.values(), num_unsigned=num_unsigned)
    ranks = _ranks(task, seed)
    taken = _first(samples, count, cap=cap, rank_of=ranks)
    if len(taken) < count:
        raise NotEnoughRows(requested=count, available=len(taken))
    reserve: tuple[Sample, ...] = ()
    if num_reserve:
        ids = {s.provenance.row_id for s in taken}
        left = [s for s in samples if s.provenance.row_id not in ids]
        share = max(1, cap * num_reserve // count)
        reserve = _first(left, num_reserve, cap=share, rank_of=ranks)
    return Drawn(samples=taken, reserve=reserve, cap=cap)


def _require_signers(pool: Pool, count: int, min_signers: int) -> None:
    # Counted before equal texts of several signers count for one of them only, so that a signer
    # that copies rows does not reduce the count of the others.
    num_rows = Counter(s.provenance.signer for s in pool.samples)
    del num_rows[None]
    least = least_rows(count, min_signers)
    num_signers = sum(n >= least for n in num_rows.values())
    if num_signers < min_signers:
        raise TooFewSigners(min_signers, num_signers, least_rows=least)


def least_rows(count: int, min_signers: int) -> int:
    """Return the number of rows with which a signer counts towards ``min_signers``.

    A twentieth of the draw, as for the cap. If ``min_signers`` is so large that an equal share is
    less than twice as much, half an equal share. With one row, four colluding signers could make
    a quorum. Example: 15 of 300 with five signers, 13 with twelve.
    """
    half = Fraction(1, 2 * max(1, min_signers))
    return max(1, ceil(min(FULL_PART, half) * count))


def _first(
    samples: Iterable[Sample], count: int, *, cap: int, rank_of: Callable[[Sample], bytes]
) -> tuple[Sample, ...]:
    """Return the first ``count`` rows in the order of a draw, or all that the cap allows."""
    rows: defaultdict[tuple[Hotkey | None, str | None], list[_Ranked]] = defaultdict(list)
    for sample in samples:
        origin = sample.provenance
        rows[origin.signer, origin.stratum].append((rank_of(sample), sample))
    by_signer: defaultdict[Hotkey | None, list[_Ranked]] = defaultdict(list)
    for (signer, _), found in rows.items():
        most = count if signer is None else cap  # all could be of one stratum
        by_signer[signer] += nsmallest(most, found, key=_BY_RANK)
    capped = by_signer.pop(None, [])
    for found in by_signer.values():
        capped += islice(_spread(sorted(found, key=_BY_RANK)), cap)
    taken = islice(_spread(sorted(capped, key=_BY_RANK)), count)
    return tuple(sample for _, sample in taken)


def _spread(rows: Iterable[_Ranked]) -> Iterator[_Ranked]:
    """Yield the first row of each stratum, then the second of each, and so on.

    ``rows`` are in the order of their rank, and rows of one turn keep that order. So strata have
    equal parts of every prefix, up to one row, as long as their rows last.
    """
    rows = tuple(rows)
    if len({sample.provenance.stratum for _, sample in rows}) < 2:
        return iter(rows)
    num_before: Counter[str | None] = Counter()
    turns: defaultdict[int, list[_Ranked]] = defaultdict(list)
    for row in rows:
        stratum = row[1].provenance.stratum
        turns[num_before[stratum]].append(row)
        num_before[stratum] += 1
    return chain.from_iterable(turns.values())


def signer_cap(
    count: int, signer_share: float, num_rows: Collection[int] = (), *, num_unsigned: int = 0
) -> int:
    """Return the cap on one signer's rows: 1.25 equal shares, at most ``signer_share``.

    Nine signers with enough rows give at most 41 of 300 each. A signer with fewer rows than a
    twentieth of the draw counts in part: with one row it hardly lowers the cap of the others.
    If 1.25 equal shares are too few to fill the draw, because some signers have few rows, the
    cap is the smallest one that fills it. So nobody can postpone a round by lowering the cap.

    The share is read as the decimal number in the schedule: 0.29 of 100 is 29, though the
    nearest binary number is smaller. Caps are rounded down, but at least 1.

    Args:
        num_rows: Number of rows of each signer in the pool.
    """
    most = max(1, int(Fraction(repr(signer_share)) * count))
    num_signers = sum((min(Fraction(1), n / (count * FULL_PART)) for n in num_rows), Fraction(0))
    if not num_signers:
        return most
    least = _least_cap(count - num_unsigned, num_rows)
    return min(most, max(1, int(MOST_SHARES * count / num_signers), least))


def _least_cap(count: int, num_rows: Collection[int]) -> int:
    """Return the smallest cap with which the rows fill ``count``; ``count`` if none does."""
    left = count
    for place, n in enumerate(sorted(num_rows)):
        num_others = len(num_rows) - place  # signers with at least as many rows
        if n * num_others >= left:
            return -(-left // num_others)
        left -= n
    return count


def pool_digest(pool: Pool) -> Digest:
    """Return the hex sha256 of canonical ``[[row id, content hash, signer, time], ...]``.

    Rows are ordered by row id. Times are UTC with microseconds, for example
    ``2026-11-22T18:00:00.000000+00:00``. A row with a stratum has it as its fifth element.
    """
    return canonical_digest(
        [_digested(s) for s in sorted(pool.samples, key=lambda s: s.provenance.row_id)]
    )


def _digested(sample: Sample) -> JsonValue:
    origin = sample.provenance
    row: list[JsonValue] = [origin.row_id, sample.content_hash, origin.signer, _time(sample)]
    return row if origin.stratum is None else [*row, origin.stratum]


def manifest(batch: TaskBatch) -> tuple[tuple[str, Digest], ...]:
    """Return a task's rows as (row id, content hash), in the order of scoring."""
    return tuple((s.provenance.row_id, s.content_hash) for s in batch.samples)


def manifest_digest(batches: Iterable[TaskBatch]) -> Digest:
    """Return the hex sha256 of canonical ``[[task, row id, content hash], ...]``.

    Rows are in the order of scoring.
    """
    return canonical_digest(
        [[batch.task, row, content] for batch in batches for row, content in manifest(batch)]
    )


def collect_window(
    *,
    lead_time: datetime,
    blocks_to_sync: int,
    delay_time: datetime,
    settle_time: datetime,
    max_age_s: int,
) -> TimeWindow:
    """Return the window to read while the sync block b is ``blocks_to_sync`` blocks away.

    T(b) is not known yet, but it is at least 12 s per block after ``lead_time``, the time of
    the newest block. So this window starts no later than the true one, which
    ``round_window`` then cuts out of the frozen pool.

    Args:
        delay_time: T(b - delay).
        settle_time: T(b - settle).

    Raises:
        EmptyWindow: No row can count; sit the round out.
    """
    earliest_sync = lead_time + timedelta(seconds=blocks_to_sync * BLOCK_SECONDS) - AUTHOR_DRIFT
    return TimeWindow(
        since=max(earliest_sync - timedelta(seconds=max_age_s), delay_time), until=settle_time
    )


def round_window(
    *, sync_time: datetime, delay_time: datetime, settle_time: datetime, max_age_s: int
) -> TimeWindow:
    """Return the window of rows that count.

    It is ``[max(T(b) - max_age, T(b - delay)), T(b - settle))``. Rows from the last ``settle``
    blocks are left out, because some validators would have read them and others not. Rows from
    before T(b - delay) may be older than a model.

    Raises:
        EmptyWindow: No row can count, as after a halt of the chain; sit the round out.
    """
    return TimeWindow(
        since=max(sync_time - timedelta(seconds=max_age_s), delay_time), until=settle_time
    )


def _time(sample: Sample) -> str | None:
    moment = sample.provenance.produced_at
    return moment.astimezone(UTC).isoformat(timespec="microseconds") if moment else None
