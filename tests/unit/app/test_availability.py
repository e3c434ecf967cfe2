"""A champion's repository is deleted or hidden after winning (attack 28)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from sn37.domain.ids import Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import RoundResult, ValidatorState
from sn37.domain.submission.eligibility import CHALLENGE_BLOCKS
from sn37.domain.submission.models import Availability, ModelRef
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import StoreUnavailable
from sn37.testing.builders import a_commitment, an_artifact, some_samples, time_of
from sn37.testing.fakes import FakeModelStore
from tests.support.fake_world import ONE, World, last, rows, rows_by_name

CHAMPION = "champion/model"


@dataclass(slots=True)
class _SilentAtTimes(FakeModelStore):
    """A host that, as long as it is ``down``, does not say what is public."""

    down: bool = False
    probed: list[str] = field(default_factory=list)

    async def availability(self, ref: ModelRef) -> Availability:
        self.probed.append(ref.repo)
        if self.down:
            raise StoreUnavailable("the hub answers 503")
        return await FakeModelStore.availability(self, ref)


@dataclass(slots=True)
class Reign:
    """A champion, and an heir that is worse; rounds are run one by one, each after a restart."""

    models: _SilentAtTimes = field(default_factory=_SilentAtTimes)
    heir_block: int = 1_500
    state: ValidatorState = field(default_factory=ValidatorState)
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.world = World(models=self.models)
        self.world.miner("champion", 1.0)
        self.world.miner("heir", 1.2, block=self.heir_block)

    def round(self, *, private: bool = False, down: bool = False) -> RoundResult:
        self.models.private = {CHAMPION} if private else set()
        self.models.down = down
        done = len(self.state.rounds.get(ONE, ()))
        self.state = self.world.run(rounds=done + 1, until=self.world.chain.number + 2_000)
        return last(self.state)

    @property
    def missed_rounds(self) -> int:
        return self.state.submissions[a_commitment("champion").key].missed_rounds


def test_t28_every_round_probes_the_champion() -> None:
    reign = Reign()
    for number in range(1, 4):
        reign.round()
        assert reign.models.probed.count(CHAMPION) == number


def test_t28_private_and_public_again_within_the_grace_keeps_the_crown() -> None:
    reign = Reign()
    hidden = [False, True, True, False, True, True, False]
    assert [reign.round(private=private).winner for private in hidden] == ["champion"] * 7
    assert reign.missed_rounds == 0


def test_t28_a_hidden_champion_is_scored_from_its_files_and_told_what_comes() -> None:
    reign = Reign()
    reign.round()
    first, second = (rows_by_name(reign.round(private=True))["champion"] for _ in range(2))
    assert (first.verdict, second.verdict) == (Verdict.SCORED, Verdict.SCORED)
    assert first.detail.endswith("if that is so in the next 2 rounds too")
    assert second.detail.endswith("if that is so in the next round too")


def test_t28_beyond_the_grace_the_crown_passes_on_and_the_reason_is_recorded() -> None:
    reign = Reign()
    results = [reign.round(), *(reign.round(private=True) for _ in range(4))]
    assert [r.winner for r in results] == ["champion"] * 3 + ["heir"] * 2
    row = rows_by_name(results[3])["champion"]
    assert (row.verdict, row.reason) == (Verdict.WAITING, Reason.UNAVAILABLE_REPO)
    assert row.detail == "champion/model was unreadable in 2 rounds before"
    assert reign.world.chain.submitted[-1].shares[Hotkey("heir")] > 0


def test_t28_the_files_of_a_vanished_champion_are_kept_when_room_is_needed() -> None:
    reign = Reign()
    reign.round()
    for _ in range(3):
        reign.round(private=True)
    reign.models.max_models = 3
    for number in range(3):
        reign.world.miner(f"late-{number}", 3.0, block=reign.world.chain.number + number)
    for _ in range(3):
        reign.round(private=True)
    kept = {ref.repo for _, ref in reign.models.cached}
    assert {CHAMPION, "heir/model"} <= kept
    assert len(kept) <= 3


@pytest.mark.fault("model hub", "flapping")
def test_t28_an_outage_of_the_hub_neither_uses_up_the_grace_nor_renews_it() -> None:
    reign = Reign(heir_block=2_600)  # too young until the last round
    reign.round()
    counts = []
    for _ in range(2):
        assert reign.round(down=True).winner == "champion"
        counts.append(reign.missed_rounds)
    reign.round(private=True)
    counts.append(reign.missed_rounds)
    reign.round(private=True, down=True)
    counts.append(reign.missed_rounds)
    assert counts == [0] * 2 + [1, 1]
    assert [reign.round(private=True).winner for _ in range(2)] == ["champion", "heir"]


def test_t28_the_same_files_under_a_new_name_do_not_bring_the_crown_back() -> None:
    reign = Reign()
    reign.round()
    for _ in range(3):
        reign.round(private=True)
    chain, old = reign.world.chain, an_artifact(a_commitment("champion"))
    again = a_commitment("champion", chain.number)
    copy = an_artifact(again, tensor_digest=old.tensor_digest)
    reign.world.miner("champion", 1.0, commitment=again, artifact=copy)
    result = reign.round()
    assert rows(result)["champion"] == (Verdict.WAITING, Reason.CHALLENGE_LIMIT)
    chain.advance(CHALLENGE_BLOCKS)
    reign.world.dataset.rows = list(some_samples(2_000, since=time_of(chain.number), every_s=10))
    for _ in range(2):
        result = reign.round()
    assert rows(result)["champion"] == (Verdict.DUPLICATE, Reason.DUPLICATE)
    assert result.winner == "heir"


@pytest.mark.parametrize("hidden_again", [False, True])
def test_t28_a_restart_in_the_middle_of_a_round_keeps_what_its_probe_found(
    hidden_again: bool,
) -> None:
    reign = Reign()
    reign.round()
    world = reign.world
    opened_by = world.schedule.timing.next_sync_block(world.chain.number) + 5
    world.stuck_until, world.scorer.gate = opened_by, asyncio.Semaphore(0)
    reign.models.private = {CHAMPION}
    state = world.run(rounds=2, until=opened_by)
    (opened,) = state.open_rounds.values()
    assert opened.plan.unreadable == {a_commitment("champion").key}
    world.scorer.gate = None
    assert reign.round(private=hidden_again).winner == "champion"
    assert reign.missed_rounds == 1
    assert [reign.round(private=True).winner for _ in range(2)] == ["champion", "heir"]
