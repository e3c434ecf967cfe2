"""The record of a subnet that the chain's runtime call returns, as the SDK decodes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tests.support.substrate.pallets import Pallets

S = "SubtensorModule"


def metagraph_record(chain: Pallets, netuid: int, at: int) -> dict[str, object]:
    """``SubnetInfoRuntimeApi.get_metagraph`` at a block."""
    ledger = chain.ledger
    rows = sorted(
        (
            (cast(int, uid), cast(str, hotkey))
            for (uid,), hotkey in ledger.entries((S, "Keys"), (netuid,), at)
        )
    )
    uids, hotkeys = [uid for uid, _ in rows], [hotkey for _, hotkey in rows]
    count = len(rows)

    def one(name: str) -> object:
        return ledger.read((S, name), (netuid,), at)

    def column(name: str, empty: object) -> list[object]:
        values = list(cast(Sequence[object], one(name) or ()))
        return values + [empty] * (count - len(values))

    stakes = [ledger.read((S, "StakeWeightRao"), (netuid, hotkey), at) or 0 for hotkey in hotkeys]
    coldkeys = [ledger.read((S, "Owner"), (hotkey,), at) for hotkey in hotkeys]
    zeros = [0] * count
    return {
        **_subnet_part(chain, netuid, at),
        "num_uids": count,
        "max_uids": max(256, count),
        "owner_hotkey": hotkeys[0] if hotkeys else "",
        "owner_coldkey": coldkeys[0] if coldkeys else "",
        "hotkeys": hotkeys,
        "coldkeys": coldkeys,
        "identities": [None] * count,
        "axons": [None] * count,
        "active": [True] * count,
        "validator_permit": column("ValidatorPermit", False),
        "last_update": column("LastUpdate", 0),
        "incentives": column("Incentive", 0),
        "block_at_registration": [
            ledger.read((S, "BlockAtRegistration"), (netuid, uid), at) or 0 for uid in uids
        ],
        "alpha_stake": stakes,
        "total_stake": stakes,
        **dict.fromkeys(
            (
                *("pruning_score", "emission", "dividends", "consensus", "trust", "rank"),
                "tao_stake",
            ),
            zeros,
        ),
    }


def _subnet_part(chain: Pallets, netuid: int, at: int) -> dict[str, object]:
    """The fields that are not one per uid."""

    def one(name: str) -> object:
        return chain.ledger.read((S, name), (netuid,), at)

    last_epoch = cast(int, one("LastEpochBlock"))
    return {
        "netuid": netuid,
        "name": [],
        "symbol": [],
        "identity": None,
        "network_registered_at": 0,
        "block": at,
        "tempo": one("Tempo"),
        "last_step": last_epoch,
        "blocks_since_last_step": at - last_epoch,
        "tao_in": 1,
        "alpha_in": 1,
        "moving_price": {"bits": 0},
        "min_allowed_weights": one("MinAllowedWeights"),
        "max_weights_limit": one("MaxWeightsLimit"),
        "weights_version": one("WeightsVersionKey"),
        "weights_rate_limit": one("WeightsSetRateLimit"),
        "commit_reveal_weights_enabled": one("CommitRevealWeightsEnabled"),
        "commit_reveal_period": one("RevealPeriodEpochs") or 1,
    }
