"""The page on the validator whose record this is."""

from __future__ import annotations

from sn37.app.leaderboard.competition_page import warm_up_left
from sn37.app.leaderboard.page_reader import PageReader, shares_of
from sn37.app.leaderboard.views import ValidatorView, WeightsLine
from sn37.app.rounds.weights_due import paid_part
from sn37.domain.printable import one_line
from sn37.domain.round.state import ColdStart

WEIGHTS_SHOWN = 24

_BEGAN = {
    ColdStart.RECEIPTS: "with the checked rounds of another validator",
    ColdStart.MANIFESTS: "with the rounds of another validator, scored again",
    ColdStart.NOTHING: "without earlier rounds",
    ColdStart.FIRST: "as the first validator",
}


def validator_view(reader: PageReader) -> ValidatorView:
    """Return what the record says about its own validator."""
    signed, beginning = reader.snapshot.signed(), reader.snapshot.beginning()
    source = "" if beginning is None or beginning.source is None else beginning.source
    began = "" if beginning is None else _BEGAN[beginning.way]
    return ValidatorView(
        hotkey="" if signed is None else one_line(signed.validator, 80),
        code_version="" if signed is None else one_line(signed.code_version, 80),
        schedule_fingerprint="" if signed is None else one_line(signed.schedule_fingerprint, 80),
        began=f"{began}: {one_line(source, 80)}" if source else began,
        began_at=None if beginning is None else reader.moment(beginning.block),
        warm_up=tuple((int(c), left) for c, left in sorted(warm_up_left(reader).items())),
        weights=tuple(
            WeightsLine(
                round=reader.moment(record.sync_block),
                sent=reader.moment(record.sent_at),
                extrinsic=one_line(record.extrinsic or "", 80),
                shares=shares_of(record.weights.shares),
            )
            for record in reader.snapshot.weights(limit=WEIGHTS_SHOWN)
        ),
        paid=tuple(
            (int(c.id), paid_part(reader.state, reader.schedule, c.id))
            for c in reader.schedule.at(reader.now)
        ),
    )
