"""Every status is reached by a submission on the way that miners take, with a whole validator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.cli.status.commitment import _lines
from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.app.leaderboard.views import SubmissionView
from sn37.app.mining.connections import ReadConnection
from sn37.app.mining.status import MinerStatus, _status
from sn37.app.samples.plugins import dataset_plugin
from sn37.domain.ids import Block, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ValidatorState
from sn37.domain.submission.base_models import BaseModel
from sn37.domain.submission.commitment import StandingCommitment
from sn37.domain.submission.stages import SubmissionStage, stage_of_verdict
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import ModelRejected
from sn37.testing.builders import (
    CHAIN_START,
    a_commitment,
    a_malformed_commitment,
    a_neuron,
    an_artifact,
)
from tests.support.fake_world import World
from tests.support.no_examiner import NoExaminer

ALICE = Hotkey("alice")
SEALED = StandingCommitment(block=Block(700), data=None)


class Network:
    """A network with a validator, which writes its record to a database."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.sqlite"
        self.store = SqliteStateStore(self.path)
        self.world = World(disk=self.store)
        self.state: ValidatorState | None = None
        self.sealed: StandingCommitment | None = None

    def register(self, *names: str) -> None:
        members = enumerate(("validator", *names))
        self.world.chain.set_members(*(a_neuron(name, uid=uid) for uid, name in members))

    def run(self, *, rounds: int = 1, until: int = 4_000) -> None:
        self.state = self.world.run(rounds=rounds, until=until)

    def recorded(self) -> SubmissionView | None:
        """What pages on the validator's record show about alice's newest commitment."""
        board = Leaderboard(
            SqliteRecordReader(self.path),
            schedule=self.world.schedule,
            times=lambda: BlockTimes([(Block(0), CHAIN_START)]),
            network="test",
        )
        board.read_history()
        miner = board.miner(ALICE)
        if miner is None or not miner.submissions:
            return None
        return board.submission(EntryKey(ALICE, Block(miner.submissions[0].model.committed.block)))

    def seen(self) -> MinerStatus:
        """What ``sn37 miner status`` shows about alice."""

        async def pretrained() -> Sequence[BaseModel]:
            return ()

        connection = ReadConnection(
            chain=self.world.chain,
            models=self.world.models,
            examiner=NoExaminer(),
            pretrained=pretrained,
            find_source=dataset_plugin,
        )
        schedule = self.world.schedule
        return asyncio.run(_status(connection, ALICE, self.sealed, schedule, self.state))


def not_registered(network: Network) -> None:
    network.run()


def nothing_committed(network: Network) -> None:
    network.register("alice")
    network.run()


def sealed(network: Network) -> None:
    nothing_committed(network)
    network.sealed = SEALED


def malformed(network: Network) -> None:
    network.world.chain.add(a_malformed_commitment("alice"))
    network.run()


def committed(network: Network) -> None:
    network.register("alice")
    network.world.miner("first", 1.0)
    network.run()
    network.world.miner("alice", 1.0, block=network.world.chain.number)
    network.run(rounds=2, until=network.world.chain.number + 3)


def eligible(network: Network) -> None:
    network.register("alice")
    network.world.miner("first", 1.0)
    network.run()
    network.world.miner("alice", 1.0, block=network.world.chain.number - 800)


def waiting(network: Network) -> None:
    network.world.miner("first", 1.0)
    hidden = network.world.miner("alice", 0.5, block=170)
    network.world.models.private.add(hidden.model.repo)
    network.run()


def challenger(network: Network) -> None:
    network.world.miner("first", 1.0)
    network.world.miner("alice", 0.992, block=110)
    network.run()


def champion(network: Network) -> None:
    network.world.miner("alice", 1.0)
    network.run()


def former_champion(network: Network) -> None:
    network.register("alice", "better")
    champion(network)
    network.world.miner("better", 0.8, block=network.world.chain.number)
    network.run(rounds=5)


def retired(network: Network) -> None:
    network.world.miner("first", 1.0)
    network.world.miner("alice", 1.5, block=110)
    network.run(rounds=1)


def failed(network: Network) -> None:
    network.world.miner("first", 1.0)
    broken = network.world.miner("alice", 1.0, block=110)
    refusal = ModelRejected("no", reason=Reason.UNLOADABLE)
    network.world.scorer.faults[broken.model.repo] = refusal
    network.run()


def duplicate(network: Network) -> None:
    first = network.world.miner("first", 1.0)
    twin = a_commitment("alice", 130)
    digest = an_artifact(first).tensor_digest
    artifact = an_artifact(twin, tensor_digest=digest)
    network.world.miner("alice", 1.0, commitment=twin, artifact=artifact)
    network.run()


def rejected(network: Network) -> None:
    network.world.miner("first", 1.0)
    pickled = network.world.miner("alice", 1.0, block=160)
    network.world.models.rejections[pickled.model.revision] = Reason.UNSAFE_FILE
    network.run()


S = SubmissionStage
WAYS: Mapping[SubmissionStage, Callable[[Network], None]] = {
    S.NOT_REGISTERED: not_registered,
    S.NOTHING_COMMITTED: nothing_committed,
    S.SEALED: sealed,
    S.MALFORMED: malformed,
    S.COMMITTED: committed,
    S.ELIGIBLE: eligible,
    S.WAITING: waiting,
    S.CHALLENGER: challenger,
    S.CHAMPION: champion,
    S.FORMER_CHAMPION: former_champion,
    S.RETIRED: retired,
    S.FAILED: failed,
    S.DUPLICATE: duplicate,
    S.REJECTED: rejected,
}
ON_CHAIN_ALONE = {S.NOT_REGISTERED, S.NOTHING_COMMITTED, S.SEALED, S.MALFORMED, S.ELIGIBLE}
ON_THE_RECORD_ALONE = {S.COMMITTED, S.FORMER_CHAMPION, S.FAILED}
REASONS = {
    S.WAITING: Reason.NOT_PUBLIC,
    S.FORMER_CHAMPION: Reason.RACED_OUT,
    S.RETIRED: Reason.RACED_OUT,
    S.FAILED: Reason.UNLOADABLE,
    S.DUPLICATE: Reason.DUPLICATE,
    S.REJECTED: Reason.UNSAFE_FILE,
}


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    found = Network(tmp_path)
    yield found
    asyncio.run(found.store.close())


def test_every_status_has_a_way_to_it() -> None:
    assert set(WAYS) == set(SubmissionStage)


@pytest.mark.parametrize("stage", [s for s in WAYS if s not in ON_CHAIN_ALONE])
def test_pages_on_the_record_show_the_status(network: Network, stage: SubmissionStage) -> None:
    WAYS[stage](network)
    view = network.recorded()
    assert view is not None
    assert view.stage == stage
    assert view.reason == REASONS.get(stage, "")


@pytest.mark.parametrize("stage", [s for s in WAYS if s not in ON_THE_RECORD_ALONE])
def test_a_miner_s_command_shows_the_status(network: Network, stage: SubmissionStage) -> None:
    WAYS[stage](network)
    assert network.seen().stage == stage


def test_a_miner_s_command_shows_score_evidence_and_the_expected_round(network: Network) -> None:
    challenger(network)
    lines = list(_lines(network.seen(), network.recorded()))
    assert "status      challenger: scored, but not yet better than the champion" in "\n".join(
        lines
    )
    for line in ("score       ", "evidence    ", "queue       expected in the round of block "):
        assert any(found.startswith(line) for found in lines)


def test_what_only_the_chain_knows_is_not_on_the_record(network: Network) -> None:
    malformed(network)
    assert network.recorded() is None


@pytest.mark.parametrize("stage", SubmissionStage)
def test_every_status_says_what_it_means_and_what_comes_next(stage: SubmissionStage) -> None:
    assert stage.meaning
    assert stage.advice
    assert "; " not in stage.meaning


def test_every_verdict_has_a_status() -> None:
    assert {stage_of_verdict(v) for v in Verdict} <= set(SubmissionStage)
