"""Effect of each signer's rows on the crowns of a state, for information only."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from sn37.app.rounds.past_evidence import past_evidence
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.round.comparing import SignerCase, by_signer, measure
from sn37.domain.round.crown_history import reigns
from sn37.domain.round.missed import not_yet_evidence
from sn37.domain.round.state import RoundResult, ValidatorState
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.submission import Verdict
from sn37.ports.state_store import StateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPair:
    """Comparison of a challenger with a champion, signer by signer."""

    competition: CompetitionId
    champion: Hotkey
    challenger: Hotkey
    took_the_crown: bool
    # Logarithms of the evidence on the rows that count; ``None`` if no rows count.
    log_e: float | None = None
    even_log_e: float | None = None  # no signer counts for more than the median one
    signers: tuple[SignerCase, ...] = ()  # empty if no row was signed


async def pairs_by_signer(
    store: StateStore, schedule: Schedule, state: ValidatorState
) -> tuple[SignedPair, ...]:
    """Compare each competition's champion with its predecessor and with its challengers.

    Challengers are the entries that the newest judged round scored. Samples count as in that
    round; for the last coronation they count as in the round that decided it.
    """
    found: list[SignedPair] = []
    for rounds in state.rounds.values():
        judged = [r for r in rounds if r.skipped is None]
        reign = next(reversed(reigns(rounds)), None)
        if not judged or reign is None or judged[-1].champion != reign.champion:
            continue
        newest, holder = judged[-1], reign.champion
        crowned = next(r for r in judged if r.key.sync_block == reign.since)
        wanted = [
            (holder, row.key, newest)
            for row in newest.entries
            if row.verdict is Verdict.SCORED and row.key not in (holder, reign.predecessor)
        ]
        if reign.predecessor is not None and reign.predecessor != holder:
            wanted.insert(0, (reign.predecessor, holder, crowned))
        for champion, challenger, round_ in wanted:
            found.append(
                await _pair(
                    store,
                    schedule,
                    champion,
                    challenger,
                    round_,
                    later=not_yet_evidence(rounds, round_.key.sync_block),
                    took_the_crown=challenger == holder,
                )
            )
    return tuple(found)


async def _pair(
    store: StateStore,
    schedule: Schedule,
    champion: EntryKey,
    challenger: EntryKey,
    round_: RoundResult,
    *,
    later: Collection[Block],
    took_the_crown: bool,
) -> SignedPair:
    """Compare by the rounds up to this one, without those scored ``later``, and by its rules."""
    competition, last = round_.key.competition, round_.key.sync_block
    pair = SignedPair(
        competition=competition,
        champion=champion.hotkey,
        challenger=challenger.hotkey,
        took_the_crown=took_the_crown,
    )
    rules = schedule.competition(competition, last)
    if rules is None:
        return pair
    past = await past_evidence(store, schedule, competition, (champion, challenger))
    one, other = (
        {
            block: values
            for block, values in past.of(key).items()
            if block <= last and block not in later
        }
        for key in (champion, challenger)
    )
    since = dict(round_.clocks).get(challenger, challenger.block)
    measured = measure(one, other, since=since, epsilon_end=rules.epsilon.end, origins=past.origins)
    return replace(
        pair,
        log_e=_proven(measured.log_e),
        even_log_e=_proven(measured.even_log_e),
        signers=by_signer(
            one, other, since=since, epsilon_end=rules.epsilon.end, origins=past.origins
        ),
    )


def _proven(log_e: float) -> float | None:
    return log_e if math.isfinite(log_e) else None
