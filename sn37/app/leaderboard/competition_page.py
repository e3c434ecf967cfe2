"""Pages on competitions: the overview, one competition, its rounds."""

from __future__ import annotations

from collections.abc import Sequence

from sn37.app.leaderboard import describing
from sn37.app.leaderboard.chronicle import champion_before
from sn37.app.leaderboard.page_reader import (
    MAX_ENTRIES,
    PageReader,
    page_number,
    shares_of,
)
from sn37.app.leaderboard.views import (
    CompetitionCard,
    CompetitionView,
    EntryLine,
    Moment,
    Overview,
    PageNumber,
    Progress,
    ReignLine,
    RoundList,
    StandingPoint,
    finite,
)
from sn37.app.rounds.weights_due import warm_up
from sn37.domain.ids import CompetitionId
from sn37.domain.round.state import RoundResult
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.submission.submission import Verdict
from sn37.domain.weights.standings import standings
from sn37.ports.record_reader import RoundUnderWay

RECENT_ROUNDS = 8  # on the overview
ROUNDS_SHOWN = 12  # on a competition's page
REIGNS_A_PAGE = 20
ROUNDS_A_PAGE = 50
CHART_ROUNDS = 48  # rounds in charts of standings and scores: two windows


def overview(reader: PageReader, network: str) -> Overview:
    """Return the first page."""
    open_rounds = reader.snapshot.under_way()
    newest = reader.snapshot.weights(limit=1)
    rounds = [
        line
        for competition in reader.chronicle.competitions
        for line in reader.round_lines(competition, skip=0, limit=RECENT_ROUNDS)
    ]
    rounds.sort(key=lambda line: (-line.round.block, line.competition))
    opened = [reader.open_line(under_way.plan) for under_way in open_rounds]
    return Overview(
        network=network,
        newest=reader.moment(reader.now) if reader.now else None,
        competitions=tuple(card(reader, c, open_rounds) for c in competitions(reader)),
        rounds=(*opened, *rounds)[:RECENT_ROUNDS],
        weights=shares_of(newest[0].weights.shares) if newest else (),
        weights_sent=reader.moment(newest[0].sent_at) if newest else None,
    )


def competitions(reader: PageReader) -> Sequence[CompetitionId]:
    """Return the competitions that run or have rounds; those that run come first."""
    running = [c.id for c in reader.schedule.at(reader.now)]
    return [*running, *(c for c in reader.chronicle.competitions if c not in running)]


def card(
    reader: PageReader, competition: CompetitionId, open_rounds: Sequence[RoundUnderWay]
) -> CompetitionCard:
    """Return a competition in a few numbers."""
    now, held = reader.now, reader.chronicle.rounds(competition)
    rules = reader.rules(competition, now)
    running = reader.schedule.competition(competition, now)
    reign = reader.chronicle.present_reign(competition)
    full = reader.newest_judged(competition)
    entries = () if full is None else full.entries
    scored = [e for e in entries if e.verdict is Verdict.SCORED]
    return CompetitionCard(
        id=competition,
        name=reader.name(competition),
        purpose="" if rules is None else describing.purpose(rules),
        is_running=running is not None,
        reward_share=None if running is None else running.reward_share,
        champion=None if reign is None else reader.model(reign.champion, competition),
        score=None if reign is None else _newest_score(held),
        advance=None if reign is None else reader.advance(reign, competition),
        since=None if reign is None else reader.moment(reign.since),
        num_rounds_held=0 if reign is None else reign.num_rounds,
        num_challengers=sum(reign is None or e.key != reign.champion for e in scored),
        num_waiting=sum(e.verdict is Verdict.WAITING for e in entries),
        num_rounds=len(held),
        newest_round=None if full is None else reader.moment(full.key.sync_block),
        next_round=None if running is None else next_round(reader),
        warm_up_left=warm_up_left(reader).get(competition, 0),
        progress=next(
            (progress_of(reader, u) for u in open_rounds if u.plan.key.competition == competition),
            None,
        ),
        scores=_champions_scores(held),
    )


def warm_up_left(reader: PageReader) -> dict[CompetitionId, int]:
    """Return the competitions that warm up, with the rounds that are left."""
    return dict(warm_up(reader.state, reader.schedule, reader.now))


def next_round(reader: PageReader) -> Moment:
    """Return the next sync block."""
    return reader.moment(reader.schedule.timing.next_sync_block(reader.now))


def progress_of(reader: PageReader, under_way: RoundUnderWay) -> Progress:
    """Return how far the scoring of an open round is."""
    return Progress(
        round=reader.moment(under_way.plan.key.sync_block),
        num_entries=len(under_way.plan.entries),
        num_done=len(under_way.outcomes),
        num_blocks=sum(under_way.num_blocks.values()),
    )


def competition_view(
    reader: PageReader, competition: CompetitionId, reigns_page: int
) -> CompetitionView | None:
    """Return everything about one competition; ``None`` if there is no such competition."""
    if not _is_known(reader, competition):
        return None
    full = reader.newest_judged(competition)
    shown, page = _reigns(reader, competition, reigns_page)
    return CompetitionView(
        card=card(reader, competition, reader.snapshot.under_way()),
        stages=describing.stages(reader.schedule, competition, reader.now, reader.moment),
        standings=reader.chronicle.derived(
            "standings", competition, lambda: _standings(reader, competition)
        ),
        reigns=shown,
        reigns_page=page,
        field=() if full is None else field_of(reader, full),
        field_round=None if full is None else reader.moment(full.key.sync_block),
        rounds=reader.round_lines(competition, skip=0, limit=ROUNDS_SHOWN),
    )


def round_list(reader: PageReader, competition: CompetitionId, number: int) -> RoundList | None:
    """Return a page of a competition's finished rounds; ``None`` if it is unknown."""
    if not _is_known(reader, competition):
        return None
    page = page_number(number, len(reader.chronicle.rounds(competition)), ROUNDS_A_PAGE)
    skip = (page.number - 1) * ROUNDS_A_PAGE
    return RoundList(
        competition=competition,
        name=reader.name(competition),
        rounds=reader.round_lines(competition, skip=skip, limit=ROUNDS_A_PAGE),
        page=page,
    )


def field_of(reader: PageReader, result: RoundResult) -> tuple[EntryLine, ...]:
    """Return the rows of a round, at most ``MAX_ENTRIES``."""
    receipts = frozenset(reader.snapshot.receipt_keys(result.key))
    return tuple(
        reader.entry_line(result, entry, index, receipts)
        for index, entry in enumerate(result.entries[:MAX_ENTRIES])
    )


def _is_known(reader: PageReader, competition: CompetitionId) -> bool:
    has_rules = reader.rules(competition, reader.now) is not None
    return has_rules or competition in competitions(reader)


def _reigns(
    reader: PageReader, competition: CompetitionId, number: int
) -> tuple[tuple[ReignLine, ...], PageNumber]:
    newest_first = reader.chronicle.reigns(competition)[::-1]
    page = page_number(number, len(newest_first), REIGNS_A_PAGE)
    first = (page.number - 1) * REIGNS_A_PAGE
    shown = newest_first[first : first + REIGNS_A_PAGE]
    return tuple(reader.reign_line(reign, competition) for reign in shown), page


def _standings(reader: PageReader, competition: CompetitionId) -> tuple[StandingPoint, ...]:
    """Return the standings after each of the newest rounds, the oldest first."""
    held, found = reader.chronicle.rounds(competition), []
    first = max(0, len(held) - CHART_ROUNDS)
    for stop in range(first + 1, len(held) + 1):
        window = held[max(0, stop - WINDOW_ROUNDS) : stop]
        shares = standings(window, timing=reader.schedule.timing, rule=reader.schedule.standings)
        found.append(
            StandingPoint(round=reader.moment(window[-1].key.sync_block), shares=shares_of(shares))
        )
    return tuple(found)


def _newest_score(held: Sequence[RoundResult]) -> float | None:
    """Return the newest score of the champion, in the rounds of the window."""
    champion = champion_before(held, len(held))
    for result in reversed(held[-WINDOW_ROUNDS:]):
        for entry in result.entries:
            if entry.key == champion and finite(entry.score) is not None:
                return entry.score
    return None


def _champions_scores(held: Sequence[RoundResult]) -> tuple[float, ...]:
    return tuple(
        score
        for result in held[-CHART_ROUNDS:]
        for entry in result.entries
        if entry.key == result.champion and (score := finite(entry.score)) is not None
    )
