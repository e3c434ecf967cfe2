"""What a test puts on a chain in memory directly, without a signed call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from sn37.domain.metagraph import RAO_PER_TAO
from tests.support.substrate.fields import compact, fields_of, raw_fields, sealed_round
from tests.support.substrate.pallets import U16_MAX, C, DispatchError, Pallets, Params, S

MAX_REVEALS = 10  # of a hotkey that the chain keeps


class Genesis(Pallets):
    """Subnets, members, commitments and their reveals, all in the head block."""

    def add_subnet(
        self,
        netuid: int = 37,
        *,
        tempo: int = 360,
        commit_reveal: bool = False,
        rate_limit: int = 100,
        min_weights: int = 1,
        max_weight: int = U16_MAX,
        version_key: int = 0,
    ) -> None:
        """A subnet without members."""
        for name, value in (
            ("NetworksAdded", True),
            ("Tempo", tempo),
            ("CommitRevealWeightsEnabled", commit_reveal),
            ("WeightsSetRateLimit", rate_limit),
            ("MinAllowedWeights", min_weights),
            ("MaxWeightsLimit", max_weight),
            ("WeightsVersionKey", version_key),
            ("SubnetEpochIndex", self.ledger.head // (tempo + 1)),
            ("LastEpochBlock", self.ledger.head // (tempo + 1) * (tempo + 1)),
        ):
            self.put(name, (netuid,), value)

    def register(
        self,
        hotkey: str,
        *,
        netuid: int = 37,
        uid: int | None = None,
        coldkey: str | None = None,
        stake_tao: float = 0.0,
        permit: bool = False,
        last_update: int = 0,
    ) -> int:
        """Give ``hotkey`` a slot, in place of whoever holds it; return the uid."""
        held = {old: k for (old,), k in self.ledger.entries((S, "Keys"), (netuid,))}
        slot = len(held) if uid is None else uid
        if slot in held:
            self.put("Uids", (netuid, held[slot]), None)
        self._seat(netuid, slot, hotkey, coldkey or hotkey)
        self._set_column("ValidatorPermit", netuid, slot, permit, empty=False)
        self._set_column("LastUpdate", netuid, slot, last_update, empty=0)
        self.set_stake(hotkey, stake_tao, netuid=netuid)
        return slot

    def register_all(self, hotkeys: Sequence[str], *, netuid: int = 37) -> None:
        """Slots for many miners at once, on a subnet that has none yet."""
        for slot, hotkey in enumerate(hotkeys):
            self._seat(netuid, slot, hotkey, hotkey)
            self.set_stake(hotkey, 0, netuid=netuid)
        self.put("ValidatorPermit", (netuid,), [False] * len(hotkeys))
        self.put("LastUpdate", (netuid,), [0] * len(hotkeys))

    def set_stake(self, hotkey: str, stake_tao: float, *, netuid: int = 37) -> None:
        """Stake weight as the metagraph reports it."""
        self.put("StakeWeightRao", (netuid, hotkey), int(stake_tao * RAO_PER_TAO))

    def set_permit(self, hotkey: str, permit: bool, *, netuid: int = 37) -> None:
        self._set_column("ValidatorPermit", netuid, self._uid(netuid, hotkey), permit, empty=False)

    def commit_text(self, hotkey: str, text: str | bytes, *, netuid: int = 37) -> None:
        """A plain commitment in the head block."""
        self.commit_fields(hotkey, raw_fields(text), netuid=netuid)

    def commit_sealed(
        self, hotkey: str, encrypted: bytes, reveal_round: int, *, netuid: int = 37
    ) -> None:
        """A sealed commitment in the head block; ``reveal_commitment`` opens it."""
        sealed = {"encrypted": encrypted, "reveal_round": reveal_round}
        self.commit_fields(hotkey, [{"TimelockEncrypted": sealed}], netuid=netuid)

    def commit_fields(self, hotkey: str, fields: list[object], *, netuid: int = 37) -> None:
        """A commitment in the head block.

        Raises:
            DispatchError: The chain refuses it.
        """
        params: Params = {"netuid": netuid, "info": {"fields": fields}}
        self.dispatch(C, "set_commitment", params, hotkey)
        args = [{"name": name, "value": value} for name, value in params.items()]
        call = {"call_module": C, "call_function": "set_commitment", "call_args": args}
        self.ledger.include({"address": hotkey, "call": call})

    def reveal_commitment(self, hotkey: str, text: str | bytes, *, netuid: int = 37) -> None:
        """Open the sealed commitment: its drand round was published."""
        data = text.encode() if isinstance(text, str) else text
        key = (netuid, hotkey)
        revealed = cast(Sequence[object], self.ledger.read((C, "RevealedCommitments"), key) or ())
        entry = ("0x" + (compact(len(data)) + data).hex(), self.ledger.head)
        kept = (*revealed, entry)[-MAX_REVEALS:]
        self.put("RevealedCommitments", key, list(kept), pallet=C)
        self._drop_sealed(key)

    def fail_reveal(self, hotkey: str, *, netuid: int = 37, leaves_mark: bool = True) -> None:
        """The round was published and does not open the seal; older chains leave no mark."""
        record = cast(dict[str, object], self.ledger.read((C, "CommitmentOf"), (netuid, hotkey)))
        reveal_round = sealed_round(record)
        self._drop_sealed((netuid, hotkey))
        if leaves_mark:
            failed = [{"TimelockRevealFailed": {"reveal_round": reveal_round}}]
            self.put(
                "CommitmentOf", (netuid, hotkey), {**record, "info": {"fields": failed}}, pallet=C
            )

    def reveal_weights(
        self, hotkey: str, row: Mapping[int, int], *, netuid: int = 37, version_key: int = 0
    ) -> bool:
        """Open the oldest pending commit of weights, which held ``row``; say whether it counted."""
        for (epoch,), pending in self.ledger.entries((S, "TimelockedWeightCommits"), (netuid,)):
            commits = cast(Sequence[Sequence[object]], pending)
            mine = next((c for c in commits if c[0] == hotkey), None)
            if mine is None:
                continue
            left = [c for c in commits if c is not mine]
            self.put("TimelockedWeightCommits", (netuid, epoch), left or None)
            try:
                self._apply_weights(netuid, hotkey, row, version_key, rate=False)
            except DispatchError:
                return False
            return True
        raise LookupError(f"{hotkey} has no pending commit")

    def _seat(self, netuid: int, uid: int, hotkey: str, coldkey: str) -> None:
        self.put("Keys", (netuid, uid), hotkey)
        self.put("Uids", (netuid, hotkey), uid)
        self.put("BlockAtRegistration", (netuid, uid), self.ledger.head)
        self.put("Owner", (hotkey,), coldkey)

    def _uid(self, netuid: int, hotkey: str) -> int:
        return cast(int, self.ledger.read((S, "Uids"), (netuid, hotkey)))

    def _drop_sealed(self, key: tuple[int, str]) -> None:
        record = cast(Mapping[str, object], self.ledger.read((C, "CommitmentOf"), key))
        left = [
            f for f in fields_of(record) if not (isinstance(f, dict) and "TimelockEncrypted" in f)
        ]
        kept = {**record, "info": {"fields": left}} if left else None
        self.put("CommitmentOf", key, kept, pallet=C)
