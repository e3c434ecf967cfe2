"""The charts of the pages, from the values that the pages show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from markupsafe import Markup

from sn37.app.leaderboard.views import (
    CompetitionCard,
    EvidenceGrowth,
    Moment,
    ReignLine,
    StandingPoint,
)
from sn37.app.web.charts import Column, Mark, Part, column_chart, line_chart, sparkline

_SHORT_AXIS = timedelta(days=3)
_ADDRESS = re.compile(r"\b5[1-9A-HJ-NP-Za-km-z]{47}\b")  # ss58 of Bittensor


def scores(card: CompetitionCard) -> Markup:
    """Return the champion's scores as a small line."""
    return sparkline(card.scores, f"score of the champion in the last {len(card.scores)} rounds")


def standings(points: Sequence[StandingPoint], champion: str | None) -> Markup:
    """Return the shares after each round; the present champion has the accent."""
    order = list(dict.fromkeys(s.hotkey for p in reversed(points) for s in p.shares))
    if champion in order:
        order.remove(champion)
        order.insert(0, champion)
    labels = dates([point.round for point in points])
    columns = [
        Column(
            label=label,
            parts=[
                Part(
                    share=share.share,
                    title=f"{when(point.round)}: {short(share.hotkey)} {share.share:.1%}",
                    tone=order.index(share.hotkey),
                )
                for share in sorted(point.shares, key=lambda s: order.index(s.hotkey))
            ],
        )
        for label, point in zip(labels, points, strict=True)
    ]
    return column_chart(columns, caption="standings after each round")


def crowns(reigns: Sequence[ReignLine]) -> Markup:
    """Return the loss of the champions relative to the first one shown, reign by reign.

    ``reigns`` have the newest first. A champion whose advance is not known keeps the level and has
    a hollow point. Without a known advance the chart is empty.
    """
    level, marks = 1.0, []
    labels = dates([reign.since for reign in reversed(reigns)])
    for number, reign in enumerate(reversed(reigns)):
        advance = reign.advance
        is_measured = advance is not None and number > 0
        level *= 1 - advance.gain if advance is not None and number > 0 else 1
        gained = f", {advance.gain:.2%} better" if advance is not None else ""
        marks.append(
            Mark(
                value=level,
                label=labels[number],
                title=f"{when(reign.since)}: {short(reign.champion.hotkey)}{gained}",
                is_strong=is_measured or number == 0,
            )
        )
    if sum(mark.is_strong for mark in marks) < 2:
        return Markup("")  # no gain is known
    return line_chart(
        marks,
        caption="loss of the champions, relative to the first one shown",
        format_value="{:.1%}",
        is_stepped=True,
    )


def evidence(growth: EvidenceGrowth) -> Markup:
    """Return the evidence after the common rounds, and the level that crowns."""
    marks = [
        Mark(
            value=point.evidence or 0.0,
            label=label,
            title=f"{when(point.round)}: evidence {point.evidence or 0.0:.1f} "
            f"on {point.num_samples:,} samples",
            is_strong=(point.evidence or 0.0) >= growth.needed,
        )
        for label, point in zip(
            dates([point.round for point in growth.points]), growth.points, strict=True
        )
    ]
    return line_chart(
        marks,
        caption="evidence for the challenger, and the level that it needs",
        format_value="{:.0f}",
        level=(growth.needed, f"needed: {growth.needed:.1f}"),
        from_zero=True,
    )


def short(hotkey: str) -> str:
    """Return the two ends of an address."""
    return hotkey if len(hotkey) <= 14 else f"{hotkey[:6]}…{hotkey[-4:]}"


def with_short_addresses(text: str) -> str:
    """Return a text with its addresses shortened, see ``short``."""
    return _ADDRESS.sub(lambda found: short(found[0]), text)


def dates(moments: Sequence[Moment]) -> list[str]:
    """Return labels for an axis: dates, with hours if the axis is short; blocks without times."""
    times = [moment.at for moment in moments]
    known = [time for time in times if time is not None]
    if len(known) < len(times) or not known:
        return [f"{moment.block:,}" for moment in moments]
    form = "%d %b" if max(known) - min(known) > _SHORT_AXIS else "%d %b %H:%M"
    return [time.strftime(form) for time in known]


def when(moment: Moment) -> str:
    """Return time and block of a moment."""
    block = f"block {moment.block:,}"
    return block if moment.at is None else f"{moment.at:%Y-%m-%d %H:%M} UTC, {block}"
