"""From shares by hotkey to the row of weights that the chain will store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bittensor.intents.weights import clip_to_max_weight, normalize

from sn37.adapters.subtensor.metagraph import U16_MAX
from sn37.adapters.subtensor.weight_rules import WeightRules
from sn37.domain.ids import Block, Hotkey, Uid
from sn37.domain.metagraph import Neuron
from sn37.domain.weight_vector import WeightVector
from sn37.ports.errors import WeightsRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of weights, and what of the shares it does not hold."""

    shares: Mapping[Uid, float]  # sum to 1; the SDK quantizes them
    values: Mapping[Uid, int]  # u16, the largest 65,535: what it makes of them
    withheld: Mapping[Hotkey, str]  # why somebody gets nothing, or less


def compose(
    weights: WeightVector, rules: WeightRules, *, me: Neuron, evaluated_at: Block | None
) -> Row:
    """Resolve hotkeys to uids at the block of ``rules`` and fit the shares to the subnet.

    A hotkey that came after the evaluation was not evaluated, even if its uid was. A share
    under 1/131,070 of the largest rounds to nothing in 16 bits.

    Raises:
        WeightsRefused: Nobody is left, or fewer than the subnet demands.
    """
    withheld: dict[Hotkey, str] = {}
    held: dict[Uid, Hotkey] = {}
    for hotkey, share in sorted(weights.shares.items()):
        neuron = rules.metagraph.find(hotkey)
        if neuron is None:
            withheld[hotkey] = "left the subnet"
        elif evaluated_at is not None and neuron.registered_at > evaluated_at:
            withheld[hotkey] = (
                f"was registered at block {neuron.registered_at}, after the evaluation at block "
                f"{evaluated_at}"
            )
        elif share > 0:
            held[neuron.uid] = hotkey
    if not held:
        raise WeightsRefused(
            "nobody with a share is on the subnet; the next round brings new shares",
            code="NoHotkeyLeft",
        )
    total = sum(weights.shares[hotkey] for hotkey in held.values())
    shares = {uid: weights.shares[held[uid]] / total for uid in sorted(held)}
    fitted = _fitted(shares, rules, me)
    uids, values = normalize(list(fitted), list(fitted.values()))
    row = {Uid(uid): value for uid, value in zip(uids, values, strict=True)}
    for uid, share in shares.items():
        if uid not in row:
            withheld[held[uid]] = f"has a share of {share:.2g}, which is nothing in 16 bits"
        elif fitted[uid] < share - 1e-9:
            withheld[held[uid]] = (
                f"has a share of {share:.3f}, and the subnet lets nobody have more than "
                f"{rules.max_weight / U16_MAX:.3f}"
            )
    _require_enough(row, rules, me)
    return Row(shares=shares, values=row, withheld=withheld)


def _fitted(shares: Mapping[Uid, float], rules: WeightRules, me: Neuron) -> Mapping[Uid, float]:
    """Shares with none above the subnet's maximum; a weight for oneself alone is free of it."""
    if rules.max_weight >= U16_MAX or list(shares) == [me.uid]:
        return shares
    clipped = clip_to_max_weight(list(shares.values()), rules.max_weight / U16_MAX)
    return dict(zip(shares, clipped, strict=True))


def _require_enough(row: Mapping[Uid, int], rules: WeightRules, me: Neuron) -> None:
    """Padding the row would pay miners who lost, so a subnet's minimum is its owner's to lower.

    Raises:
        WeightsRefused: The row has fewer entries than the subnet demands.
    """
    needed = rules.min_weights
    if len(row) < needed and list(row) != [me.uid]:
        raise WeightsRefused(
            f"the subnet wants weights for at least {needed} miners, the standings have "
            f"{len(row)}; its owner must lower min_allowed_weights",
            code="WeightVecLengthIsLow",
        )
