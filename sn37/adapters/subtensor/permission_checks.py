"""Checks whether a hotkey may set weights on a subnet, one condition a line."""

from __future__ import annotations

from collections.abc import Iterator

from sn37.adapters.subtensor.weight_rules import WeightRules, next_permitted
from sn37.domain.check_line import Check, Grade
from sn37.domain.ids import Hotkey
from sn37.domain.metagraph import RAO_PER_TAO, Neuron
from sn37.domain.release.version import oldest_version, weights_version


def permissions(rules: WeightRules, hotkey: Hotkey | None, version: str) -> Iterator[Check]:
    """Yield checks of the subnet's weight rules, then of the hotkey under them.

    Args:
        hotkey: ``None`` if none was opened.
        version: Of this program.
    """
    yield _commit_reveal(rules)
    sent, taken = weights_version(version), rules.metagraph.weights_version
    current = sent >= taken
    yield Check(
        name="weights version",
        grade=Grade.OK if current else Grade.FAILED,
        detail=f"this program sends {sent}, the subnet accepts {taken} or more",
        remedy="" if current else f"upgrade sn37 to at least {oldest_version(taken)}",
    )
    if hotkey is None:
        yield Check(
            name="hotkey",
            grade=Grade.WARNING,
            detail="no hotkey was opened, so its permissions are unknown",
            remedy="name one with --wallet and --wallet-hotkey",
        )
        return
    me = rules.metagraph.find(hotkey)
    if me is None:
        yield Check(
            name="hotkey",
            grade=Grade.FAILED,
            detail=f"{hotkey} is not registered on subnet {rules.netuid}",
            remedy=f"btcli subnets register --netuid {rules.netuid}",
        )
        return
    yield Check(
        name="hotkey",
        grade=Grade.OK,
        detail=f"{hotkey} is uid {me.uid}, registered at block {me.registered_at}",
    )
    yield _stake(rules, me)
    yield _permit(rules, me)
    yield _rate(rules, me)


def _commit_reveal(rules: WeightRules) -> Check:
    if rules.commit_reveal:
        return Check(
            name="commit-reveal",
            grade=Grade.OK,
            detail=f"on: weights are revealed after {rules.reveal_period_epochs} epochs",
        )
    return Check(
        name="commit-reveal",
        grade=Grade.WARNING,
        detail="off: other validators can copy our weights",
        remedy="ask the subnet's owner to switch it on",
    )


def _stake(rules: WeightRules, me: Neuron) -> Check:
    enough = me.hotkey == rules.owner or me.stake_rao >= rules.min_stake_rao
    return Check(
        name="stake",
        grade=Grade.OK if enough else Grade.FAILED,
        detail=(
            f"stake weight {me.stake_rao / RAO_PER_TAO:,.3f}, weights need "
            f"{rules.min_stake_rao / RAO_PER_TAO:,.3f}"
        ),
        remedy="" if enough else f"btcli stake add --netuid {rules.netuid}",
    )


def _permit(rules: WeightRules, me: Neuron) -> Check:
    if me.validator_permit or me.hotkey == rules.owner:
        return Check(name="validator permit", grade=Grade.OK, detail="held")
    return Check(
        name="validator permit",
        grade=Grade.FAILED,
        detail="none; once an epoch the hotkeys with the most stake get one",
        remedy=f"btcli stake add --netuid {rules.netuid}, then wait for the next epoch",
    )


def _rate(rules: WeightRules, me: Neuron) -> Check:
    limit, block = rules.rate_limit_blocks, next_permitted(rules, me)
    when = "now" if block <= rules.block else f"from block {block}, in {block - rules.block} blocks"
    return Check(
        name="rate limit",
        grade=Grade.OK,
        detail=f"one row in {limit} blocks; the next may be sent {when}",
    )
