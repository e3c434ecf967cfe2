"""Pages on competitions: the overview, one competition, its rounds."""

from __future__ import annotations

from collections.abc import Sequence

from sn37.app.leaderboard import describing
from sn37.app.leaderboard.page_reader import (
    MAX_ENTRIES,
    PageReader,
    finite,
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
    RoundLine,
    RoundList,
    StandingPoint,
)
from sn37.app.rounds.weights_due import warm_up
from sn37.domain.ids import Block, CompetitionId
from sn37.domain.round.state import RoundResult, ValidatorState
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.submission.submission import Verdict
from sn37.domain.weights.standings import standings
from sn37.ports.record_reader import RoundUnderWay

RECENT_ROUNDS = 8  # on the overview
ROUNDS_SHOWN = 12  # on a competition's page
REIGNS_A_PAGE = 20
ROUNDS_A_PAGE = 50
CHART_ROUNDS = 48  # rounds in charts of standings and scores: two windows
_STATE_ROUNDS = 2 * WINDOW_ROUNDS  # the warm-up looks at no older ones


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
    opened = [_open_line(reader, under_way) for under_way in open_rounds]
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
    judged = reader.chronicle.newest_judged(competition)
    reigns = reader.chronicle.reigns(competition)
    reign = reigns[-1] if reigns and reigns[-1].until is None else None
    full = None if judged is None else _whole(reader, judged)
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
        num_challengers=sum(e.key != (reign and reign.champion) for e in scored),
        num_waiting=sum(e.verdict is Verdict.WAITING for e in entries),
        num_rounds=len(held),
        newest_round=None if judged is None else reader.moment(judged.key.sync_block),
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
    state = ValidatorState(
        rounds=reader.chronicle.as_mapping(_STATE_ROUNDS), beginning=reader.snapshot.beginning()
    )
    return dict(warm_up(state, reader.schedule, reader.now))


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
    if competition not in competitions(reader) and reader.rules(competition, reader.now) is None:
        return None
    judged = reader.chronicle.newest_judged(competition)
    full = None if judged is None else _whole(reader, judged)
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
    if competition not in competitions(reader) and reader.rules(competition, reader.now) is None:
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


def _whole(reader: PageReader, light: RoundResult) -> RoundResult | None:
    row = reader.chronicle.row_of(light.key)
    return None if row is None else reader.chronicle.whole(reader.snapshot, row)


def _newest_score(held: Sequence[RoundResult]) -> float | None:
    """Return the newest score of the champion, in the rounds of the window."""
    champion = next((r.champion for r in reversed(held) if r.skipped is None), None)
    for result in reversed(held[-WINDOW_ROUNDS:]):
        for entry in result.entries:
            if entry.key == champion and finite(entry.score) is not None:
                return entry.score
    return None


def _champions_scores(held: Sequence[RoundResult]) -> tuple[float, ...]:
    return tuple(
        entry.score
        for result in held[-CHART_ROUNDS:]
        for entry in result.entries
        if entry.key == result.champion and entry.score is not None and finite(entry.score)
    )


def _open_line(reader: PageReader, under_way: RoundUnderWay) -> RoundLine:
    key = under_way.plan.key
    champion = under_way.plan.champion
    return RoundLine(
        competition=key.competition,
        round=reader.moment(key.sync_block),
        status="open",
        champion=None if champion is None else reader.model(champion, key.competition),
        is_new_champion=False,
        score=None,
    )


def neighbours(
    held: Sequence[RoundResult], sync_block: Block
) -> tuple[int, Block | None, Block | None]:
    """Return the place of a round among others, and the rounds before and after it.

    Raises:
        ValueError: The round is not among them.
    """
    blocks = [r.key.sync_block for r in held]
    index = blocks.index(sync_block)
    before = blocks[index - 1] if index else None
    return index, before, blocks[index + 1] if index + 1 < len(blocks) else None
