"""What the pallets ``SubtensorModule`` and ``Commitments`` do with the calls this project makes.

After the chain's source of June 2026: ``subnets/weights.rs``, ``coinbase/reveal_commits.rs``
and ``commitments/src/lib.rs``. A commit of weights checks neither stake, permit nor version
key: only its reveal does, and drops in silence what it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from tests.support.substrate.fields import charged_bytes, stored
from tests.support.substrate.ledger import Item, Ledger

S, C = "SubtensorModule", "Commitments"

CHARGED_BYTES = 100  # at least, for each commitment
U16_MAX = 65_535

CONSTANTS: Mapping[Item, int] = {
    (C, "MaxFields"): 3,
    (C, "InitialDeposit"): 0,
    (C, "FieldDeposit"): 0,
    ("Aura", "SlotDuration"): 12_000,
}
DEFAULTS: Mapping[Item, object] = {
    (C, "MaxSpace"): 3_100,
    (S, "StakeThreshold"): 0,
    (S, "WeightsVersionKey"): 0,
    (S, "CommitRevealWeightsEnabled"): True,
    (S, "RevealPeriodEpochs"): 1,
    (S, "CommitRevealWeightsVersion"): 4,
    (S, "SubnetEpochConsensus"): "Yuma",
    (S, "LastEpochBlock"): 0,
    (S, "PendingEpochAt"): 0,
    (S, "BlocksSinceLastStep"): 0,
    (S, "SubnetEpochIndex"): 0,
    (S, "LastUpdate"): (),
    (S, "Weights"): (),
    (S, "Consensus"): (),
    (S, "ValidatorTrust"): (),
    (S, "TimelockedWeightCommits"): (),
}

Params = Mapping[str, object]


class DispatchError(Exception):
    """The chain's name for why a call failed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Pallets:
    """The rules of the chain over a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def put(self, name: str, key: Sequence[object], value: object, *, pallet: str = S) -> None:
        """Write one storage item of the head block; ``None`` removes it."""
        self.ledger.write((pallet, name), tuple(key), value)

    def start_epoch(self, netuid: int = 37) -> None:
        """An epoch ends with the head block; the space for commitments is free again."""
        index = cast(int, self.ledger.read((S, "SubnetEpochIndex"), (netuid,)))
        self.put("SubnetEpochIndex", (netuid,), index + 1)
        self.put("LastEpochBlock", (netuid,), self.ledger.head)

    def on_block(self) -> None:
        """A new block: epochs end in time."""
        for (netuid,), tempo in self.ledger.entries((S, "Tempo")):
            last = cast(int, self._read("LastEpochBlock", netuid))
            if isinstance(tempo, int) and self.ledger.head - last > tempo:
                self.start_epoch(cast(int, netuid))

    def has_subnet(self, netuid: int, at: int | None = None) -> bool:
        return self.ledger.read((S, "NetworksAdded"), (netuid,), at) is not None

    def dispatch(self, module: str, function: str, params: Params, hotkey: str) -> None:
        """Execute a call in the head block.

        Raises:
            DispatchError: By the name that the chain gives.
        """
        netuid = cast(int, params["netuid"])
        match module, function:
            case "Commitments", "set_commitment":
                self._set_commitment(netuid, hotkey, cast(Mapping[str, object], params["info"]))
            case "SubtensorModule", "set_mechanism_weights":
                self._set_weights(netuid, hotkey, params)
            case "SubtensorModule", "commit_timelocked_mechanism_weights":
                self._commit_weights(netuid, hotkey, params)
            case _:
                raise LookupError(f"no call {module}.{function} here")

    def _set_commitment(self, netuid: int, hotkey: str, info: Mapping[str, object]) -> None:
        fields = cast(list[object], info["fields"])
        if self.ledger.read((S, "Uids"), (netuid, hotkey)) is None:
            raise DispatchError("AccountNotAllowedCommit")
        if len(fields) > CONSTANTS[C, "MaxFields"]:
            raise DispatchError("TooManyFieldsInCommitmentInfo")
        epoch = self._read("SubnetEpochIndex", netuid)
        usage = cast(
            Mapping[str, int], self.ledger.read((C, "UsedSpaceOf"), (netuid, hotkey)) or {}
        )
        used = usage["used_space"] if usage.get("last_epoch") == epoch else 0
        used += max(CHARGED_BYTES, sum(charged_bytes(f) for f in fields))
        if used > cast(int, self.ledger.read((C, "MaxSpace"), ()) or DEFAULTS[C, "MaxSpace"]):
            raise DispatchError("SpaceLimitExceeded")
        key = (netuid, hotkey)
        record = {"deposit": 0, "block": self.ledger.head, "info": {"fields": stored(fields)}}
        self.put("UsedSpaceOf", key, {"last_epoch": epoch, "used_space": used}, pallet=C)
        self.put("CommitmentOf", key, record, pallet=C)
        self.put("LastCommitment", key, self.ledger.head, pallet=C)

    def _set_weights(self, netuid: int, hotkey: str, params: Params) -> None:
        if self._read("CommitRevealWeightsEnabled", netuid):
            raise DispatchError("CommitRevealEnabled")
        uids, values = cast(list[int], params["dests"]), cast(list[int], params["weights"])
        row = dict(zip(uids, values, strict=True))
        uid = self._apply_weights(netuid, hotkey, row, cast(int, params["version_key"]), rate=True)
        self._set_column("LastUpdate", netuid, uid, self.ledger.head, empty=0)

    def _commit_weights(self, netuid: int, hotkey: str, params: Params) -> None:
        if not self._read("CommitRevealWeightsEnabled", netuid):
            raise DispatchError("CommitRevealDisabled")
        if params["commit_reveal_version"] != DEFAULTS[S, "CommitRevealWeightsVersion"]:
            raise DispatchError("IncorrectCommitRevealVersion")
        uid = self._registered(netuid, hotkey)
        if self._is_too_soon(netuid, uid):
            raise DispatchError("CommittingWeightsTooFast")
        key = (netuid, self._read("SubnetEpochIndex", netuid))
        pending = cast(
            Sequence[Sequence[object]], self.ledger.read((S, "TimelockedWeightCommits"), key) or ()
        )
        if sum(1 for c in pending if c[0] == hotkey) >= 10:
            raise DispatchError("TooManyUnrevealedCommits")
        commit = "0x" + cast(bytes, params["commit"]).hex()
        mine = (hotkey, self.ledger.head, commit, params["reveal_round"])
        self.put("TimelockedWeightCommits", key, [*pending, mine])
        self._set_column("LastUpdate", netuid, uid, self.ledger.head, empty=0)

    def _apply_weights(
        self, netuid: int, hotkey: str, row: Mapping[int, int], version_key: int, *, rate: bool
    ) -> int:
        """Store a row of weights; return the uid it belongs to."""
        uid = self._registered(netuid, hotkey)
        stake = cast(int, self.ledger.read((S, "StakeWeightRao"), (netuid, hotkey)))
        required = cast(int, self._read("WeightsVersionKey", netuid))
        permits = cast(Sequence[bool], self._read("ValidatorPermit", netuid))
        members = {u for (u,), _ in self.ledger.entries((S, "Keys"), (netuid,))}
        needed = min(len(members), cast(int, self._read("MinAllowedWeights", netuid)))
        limit = cast(int, self._read("MaxWeightsLimit", netuid))
        others = list(row) != [uid]  # a weight for nobody but oneself may be anything
        too_much = limit < U16_MAX and max(row.values()) * U16_MAX > limit * sum(row.values())
        threshold = cast(int, self.ledger.read((S, "StakeThreshold"), ()) or 0)
        for failed, name in (
            (stake < threshold, "NotEnoughStakeToSetWeights"),
            (required and version_key < required, "IncorrectWeightVersionKey"),
            (rate and self._is_too_soon(netuid, uid), "SettingWeightsTooFast"),
            (others and not permits[uid], "NeuronNoValidatorPermit"),
            (not set(row) <= members, "UidVecContainInvalidOne"),
            (others and len(row) < needed, "WeightVecLengthIsLow"),
            (others and too_much, "MaxWeightExceeded"),
        ):
            if failed:
                raise DispatchError(name)
        self.put("Weights", (netuid, uid), list(row.items()))
        return uid

    def _is_too_soon(self, netuid: int, uid: int) -> bool:
        last = cast(Sequence[int], self._read("LastUpdate", netuid))[uid]
        limit = cast(int, self._read("WeightsSetRateLimit", netuid))
        return last > 0 and self.ledger.head - last < limit

    def _registered(self, netuid: int, hotkey: str) -> int:
        uid = self.ledger.read((S, "Uids"), (netuid, hotkey))
        if not isinstance(uid, int):
            raise DispatchError("HotKeyNotRegisteredInSubNet")
        return uid

    def _read(self, name: str, netuid: object) -> object:
        value = self.ledger.read((S, name), (netuid,))
        return DEFAULTS.get((S, name)) if value is None else value

    def _set_column(
        self, name: str, netuid: int, uid: int, value: object, *, empty: object
    ) -> None:
        column = list(cast(Sequence[object], self.ledger.read((S, name), (netuid,)) or ()))
        column += [empty] * (uid + 1 - len(column))
        column[uid] = value
        self.put(name, (netuid,), column)
