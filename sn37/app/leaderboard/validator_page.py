"""The page on the validator whose record this is."""

from __future__ import annotations

from sn37.app.leaderboard.competition_page import warm_up_left
from sn37.app.leaderboard.others import Others
from sn37.app.leaderboard.page_reader import MAX_SHARES, PageReader, shares_of
from sn37.app.leaderboard.views import (
    SubnetView,
    ValidatorLine,
    ValidatorView,
    WeightLine,
    WeightsLine,
)
from sn37.app.rounds.weights_due import paid_part
from sn37.domain.metagraph import RAO_PER_TAO, SubnetSnapshot
from sn37.domain.printable import one_line
from sn37.domain.round.state import ColdStart

WEIGHTS_SHOWN = 24

_BEGAN = {
    ColdStart.RECEIPTS: "with the checked rounds of another validator",
    ColdStart.MANIFESTS: "with the rounds of another validator, scored again",
    ColdStart.NOTHING: "without earlier rounds",
    ColdStart.FIRST: "as the first validator",
}


def validator_view(reader: PageReader, others: Others | None) -> ValidatorView:
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
        subnet=None if reader.subnet is None else _subnet(reader, reader.subnet),
        others=() if others is None else others.compared(reader),
    )


def _subnet(reader: PageReader, seen: SubnetSnapshot) -> SubnetView:
    """Return the subnet as the validator saw it last."""
    members, consensus = seen.metagraph.neurons, seen.consensus
    own = seen.metagraph.find(seen.validator)
    trust = consensus.validator_trust
    newest = reader.snapshot.weights(limit=1)
    sent = newest[0].weights.shares if newest else {}
    permitted = sorted(
        (n for n in members if n.validator_permit or n.hotkey == seen.validator),
        key=lambda n: (-n.stake_rao, n.uid),
    )
    incentives = {n.hotkey: n.incentive for n in members}
    weighed = {h for h, share in (*sent.items(), *consensus.own.items()) if share}
    weighed |= {h for h in (*consensus.weights, *incentives) if incentives.get(h)}
    lines = [
        WeightLine(
            uid=reader.uid(hotkey),
            hotkey=one_line(hotkey, 80),
            sent=sent.get(hotkey, 0.0),
            in_force=consensus.own.get(hotkey, 0.0),
            consensus=consensus.weights.get(hotkey, 0.0),
            incentive=incentives.get(hotkey, 0.0),
        )
        for hotkey in weighed
    ]
    lines.sort(key=lambda w: (-max(w.sent, w.in_force, w.consensus, w.incentive), w.hotkey))
    return SubnetView(
        seen=reader.moment(seen.metagraph.at.number),
        age_blocks=max(0, reader.now - seen.metagraph.at.number),
        num_members=len(members),
        uid=None if own is None else own.uid,
        trust=None if own is None else trust.get(seen.validator, 0.0),
        validators=tuple(
            ValidatorLine(
                uid=n.uid,
                hotkey=one_line(n.hotkey, 80),
                stake=n.stake_rao / RAO_PER_TAO,
                trust=trust.get(n.hotkey, 0.0),
                updated=reader.moment(n.last_update),
                is_own=n.hotkey == seen.validator,
            )
            for n in permitted[:MAX_SHARES]
        ),
        weights=tuple(lines[:MAX_SHARES]),
    )
