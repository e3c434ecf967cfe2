"""Miners of a rehearsal: honest ones, attackers, and the reason why each attack is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sn37.adapters.simnet.miners.roster import Trick
from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.domain.ids import CompetitionId, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import Competition
from sn37.testing.tiny_models import ARCHITECTURES
from tests.support.substrate import a_keypair

# The first is trained longest, so it must win. A competition has the first five that it takes.
FAMILIES = ("llama", "mistral", "gemma", "gpt_neox", "phi", "gemma2", "qwen2", "qwen3")
NUM_FAMILIES = 5
STEPS = dict.fromkeys(FAMILIES, 10) | {"llama": 120, "mistral": 25}
WINNER, SECOND = FAMILIES[:2]


class Attack(StrEnum):
    """What a hostile miner does to the winner's repository, or instead of it."""

    COPY = "copy"  # the winner's text under its own hotkey
    RESHARD = "reshard"  # the winner's tensors in two files
    LIE = "lie"  # a hash of other files
    PICKLE = "pickle"
    CODE = "code"  # Python beside the weights
    GIANT = "giant"  # weights of a terabyte
    NAN = "nan"
    GARBAGE = "garbage"  # a text that is not a commitment
    PRIVATE = "private"  # never published
    LATE = "late"  # committed minutes before the round


EXPECTED = {
    Attack.COPY: Reason.COPIED_COMMITMENT,
    Attack.RESHARD: Reason.DUPLICATE,
    Attack.LIE: Reason.DIGEST_MISMATCH,
    Attack.PICKLE: Reason.UNSAFE_FILE,
    Attack.CODE: Reason.UNSAFE_FILE,
    Attack.GIANT: Reason.TOO_LARGE,
    Attack.NAN: Reason.NON_FINITE,
    Attack.GARBAGE: Reason.MALFORMED_COMMITMENT,
    Attack.PRIVATE: Reason.NOT_PUBLIC,
    Attack.LATE: Reason.TOO_EARLY,
}
TRICKS = {Attack.RESHARD: Trick.RESHARD, Attack.PICKLE: Trick.PICKLE, Attack.NAN: Trick.NON_FINITE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Miner:
    """One miner: it has trained a model of ``family``, or attacks."""

    competition: CompetitionId
    family: str
    attack: Attack | None = None

    @property
    def name(self) -> str:
        return f"c{self.competition}-{self.attack or self.family.replace('_', '-')}"

    @property
    def repo(self) -> str:
        return f"{self.name}/model"

    @property
    def signer(self) -> HotkeySigner:
        return HotkeySigner(a_keypair(self.name))

    @property
    def hotkey(self) -> Hotkey:
        return self.signer.hotkey

    @property
    def seed(self) -> int:
        """Of its weights: two miners have different ones."""
        return 10 * self.competition + FAMILIES.index(self.family)


def cast(competitions: Sequence[Competition]) -> tuple[Miner, ...]:
    """All miners, each competition's honest ones first; the order is that of their commitments."""
    return tuple(
        miner
        for rules in competitions
        for miner in (
            *(Miner(competition=rules.id, family=family) for family in _families(rules)),
            *(Miner(competition=rules.id, family=WINNER, attack=a) for a in Attack),
        )
    )


def _families(rules: Competition) -> Sequence[str]:
    taken = rules.constraints.architectures
    return [family for family in FAMILIES if ARCHITECTURES[family] in taken][:NUM_FAMILIES]
