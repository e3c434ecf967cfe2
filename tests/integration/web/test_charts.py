"""Charts: axes that cover their values, and titles that stay text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from sn37.app.leaderboard.views import Moment
from sn37.app.web.charts import Column, Mark, Part, _ticks, column_chart, line_chart, sparkline
from sn37.app.web.drawing import dates, with_short_addresses

FINITE = st.floats(-1e9, 1e9)
HOSTILE = "</title><script>alert(1)</script>"


@given(FINITE, FINITE)
@example(0.75, 0.7)
@example(0.0, 5e-324)
def test_ticks_are_evenly_spaced_and_cover_every_value(one: float, other: float) -> None:
    low, high = sorted((one, other))
    ticks = _ticks(low, high)
    assert ticks[0] <= low <= high <= ticks[-1]
    assert 2 <= len(ticks) <= 9
    steps = [b - a for a, b in pairwise(ticks)]
    assert max(steps) - min(steps) <= 1e-6 * max(steps) + 1e-9 * max(map(abs, ticks))


@given(st.lists(FINITE, min_size=1, max_size=20))
def test_every_mark_lies_within_the_chart(values: list[float]) -> None:
    marks = [Mark(value=v, label="x", title=f"{v}") for v in values]
    drawn = line_chart(marks, caption="c", format_value="{:.3g}", level=(0.0, "level"))
    places = re.findall(r'<circle class="[^"]*" cx="([^"]*)" cy="([^"]*)"', drawn)
    assert len(places) == len(values)
    assert all(0 <= float(x) <= 920 and 0 <= float(y) <= 260 for x, y in places)


def test_titles_captions_and_labels_are_escaped() -> None:
    marks = [Mark(value=n, label=HOSTILE, title=HOSTILE) for n in (1.0, 2.0)]
    column = Column(label=HOSTILE, parts=[Part(share=1.0, title=HOSTILE, tone=0)])
    for drawn in (
        line_chart(marks, caption=HOSTILE, format_value="{:.1f}", level=(1.5, HOSTILE)),
        column_chart([column], caption=HOSTILE),
        sparkline([1.0, 2.0], HOSTILE),
    ):
        assert "<script>" not in drawn
        assert "&lt;script&gt;" in drawn


def test_nothing_to_draw_is_nothing() -> None:
    assert line_chart([], caption="c", format_value="{}") == ""
    assert column_chart([], caption="c") == ""
    assert sparkline([1.0], "c") == ""


def test_an_axis_has_hours_when_it_is_short_and_blocks_without_times() -> None:
    start = datetime(2026, 1, 1, 6, tzinfo=UTC)

    def moments(*days: float) -> list[Moment]:
        return [Moment(block=1_000, at=start + timedelta(days=d)) for d in days]

    assert dates(moments(0, 1)) == ["01 Jan 06:00", "02 Jan 06:00"]
    assert dates(moments(0, 9)) == ["01 Jan", "10 Jan"]
    assert dates([*moments(0), Moment(block=2_000)]) == ["1,000", "2,000"]


def test_addresses_in_a_sentence_are_shortened() -> None:
    address = "5FC6JctnqqLf4v6cRgfRNVtSQ7vvc9rRNLYu4Sc17epUdWQz"
    assert with_short_addresses(f"same as {address}.") == "same as 5FC6Jc…dWQz."
