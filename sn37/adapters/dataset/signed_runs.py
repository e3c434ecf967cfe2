"""Selection of the runs that are read, by their signatures.

A validator proves that a run is its own by an sr25519 signature over the run's id, in the
run's config. Nothing else of the run is signed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sn37.adapters.dataset.wandb_messages import RunFound
from sn37.adapters.signatures import is_signed_by
from sn37.domain.ids import Hotkey

# Restarts create runs, and floods create many. The oldest count: new ones cannot displace them.
MAX_RUNS_OF_A_SIGNER = 32


@dataclass(slots=True, kw_only=True)
class SignedRuns:
    """Chooses the runs that a trusted hotkey signed, and records the signer of each.

    Args:
        trusted: Hotkeys whose runs count.
        required: Values that the config must also contain.
        hotkey, signature: Keys of the config; the signature is hex, with or without 0x.
    """

    trusted: frozenset[Hotkey]
    required: Mapping[str, str] = field(default_factory=dict)
    hotkey: str
    signature: str
    signers: dict[str, Hotkey] = field(default_factory=dict)  # by run id

    def choose(self, runs: tuple[RunFound, ...]) -> Collection[str]:
        """Return the ids of the runs that count."""
        chosen: dict[Hotkey, int] = {}
        for run in sorted(runs, key=lambda run: (run.created_at, run.id)):
            signer = self._signer(run)
            if signer is not None and chosen.get(signer, 0) < MAX_RUNS_OF_A_SIGNER:
                chosen[signer] = chosen.get(signer, 0) + 1
                self.signers[run.id] = signer
        return self.signers.keys()

    def _signer(self, run: RunFound) -> Hotkey | None:
        if not self.required.items() <= run.config.items():
            return None
        return signer_of(run, hotkey=self.hotkey, signature=self.signature, trusted=self.trusted)


def signer_of(
    run: RunFound, *, hotkey: str, signature: str, trusted: Collection[Hotkey]
) -> Hotkey | None:
    """Return the trusted hotkey that signed the id of a run, by these keys of its config."""
    named = Hotkey(run.config.get(hotkey, ""))
    if named not in trusted:
        return None
    try:
        signed = bytes.fromhex(run.config.get(signature, "").removeprefix("0x"))
    except ValueError:
        return None
    return named if is_signed_by(named, run.id.encode(), signed) else None
