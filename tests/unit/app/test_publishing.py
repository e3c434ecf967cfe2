"""Publishing a model: the order of its steps, and going on after a kill between any two."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path, PurePath

import pytest

from sn37.app.errors import CommandError
from sn37.app.mining.commitment_note import IN_FLIGHT_BLOCKS, NotedWriter
from sn37.app.mining.publish import (
    CheckedModel,
    Publication,
    Published,
    PublishRequest,
    take_steps,
)
from sn37.domain.ids import BlockRef, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import (
    Commitment,
    StandingCommitment,
    parse_commitment,
    secure_hash,
)
from sn37.domain.submission.digests import ModelHashes
from sn37.ports.errors import (
    ChainUnavailable,
    CommitmentRefused,
    ModelRejected,
    PublishRefused,
    StoreUnavailable,
)
from sn37.testing.builders import a_competition, an_artifact, some_constraints, time_of
from sn37.testing.fakes import FakeChain, FakePublisher

ALICE = Hotkey("alice")
REPO = "alice/model"


class Killed(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class Trace:
    """The calls that reached the outside; the process dies before or after one of them."""

    calls: list[str] = field(default_factory=list)
    die_at: int = -1  # twice the call's number, and one more to die after it
    position: int = 0

    def enter(self, name: str) -> None:
        self._step()
        self.calls.append(name)

    def leave(self) -> None:
        self._step()

    def _step(self) -> None:
        self.position += 1
        if self.position - 1 == self.die_at:
            raise Killed


@dataclass(slots=True)
class _Publisher(FakePublisher):
    trace: Trace = field(default_factory=Trace)

    async def upload(
        self, folder: PurePath, repo: str, constraints: ModelConstraints
    ) -> tuple[str, ModelHashes]:
        self.trace.enter("upload")
        found = await FakePublisher.upload(self, folder, repo, constraints)
        self.trace.leave()
        return found

    async def make_public(self, repo: str) -> None:
        self.trace.enter("public")
        await FakePublisher.make_public(self, repo)
        self.trace.leave()


@dataclass(slots=True)
class _Chain(FakeChain):
    trace: Trace = field(default_factory=Trace)

    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        self.trace.enter("commit")
        at = await FakeChain.commit(self, text, reveal_at=reveal_at)
        self.trace.leave()
        return at

    async def standing(self) -> StandingCommitment | None:
        self.trace.enter("look")
        found = await FakeChain.standing(self)
        self.trace.leave()
        return found


class Miner:
    """One miner; every call of ``publish`` is a new process."""

    def __init__(self, root: Path) -> None:
        self.trace = Trace()
        self.chain = _Chain(trace=self.trace)
        self.publisher = _Publisher(trace=self.trace)
        self.root = root
        self.lines: list[str] = []
        self.given_up: list[str] = []
        self.waits: list[tuple[str, int | None]] = []
        self.waited = asyncio.Event()
        (root / "model").mkdir()
        (root / "model" / "model.safetensors").write_bytes(b"weights")

    async def publish(
        self,
        *,
        repo: str = REPO,
        reveal_at: datetime | None = None,
        constraints: ModelConstraints | None = None,
        form: CommitmentFormat = CommitmentFormat.V2,
        may_replace: bool = False,
        wait: bool = False,
        dry_run: bool = False,
    ) -> Published | None:
        publication = Publication(
            request=PublishRequest(
                folder=self.root / "model",
                repo=repo,
                competition=1,
                replace=may_replace,
                wait=wait,
                dry_run=dry_run,
            ),
            rules=a_competition(1, constraints=constraints or some_constraints()),
            hotkey=ALICE,
            format=form,
            reveal_at=reveal_at,
            crowns=(),
            check=self._checked,
            commitments=NotedWriter(
                self.chain, self.chain, self.root / "publish.json", self._waiting
            ),
            publisher=self.publisher,
        )
        report = await take_steps(publication, self.lines.append)
        self.given_up += report.preview.gives_up
        return report.published

    async def _checked(self) -> CheckedModel:
        folder = self.root / "model"
        _, hashes = await FakePublisher().upload(folder, REPO, some_constraints())
        return CheckedModel(artifact=an_artifact(path=folder), hashes=hashes)

    def _waiting(self, why: str, blocks_left: int | None) -> None:
        self.waits.append((why, blocks_left))
        self.waited.set()

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.chain.texts]


@pytest.fixture
def miner(tmp_path: Path) -> Miner:
    return Miner(tmp_path)


async def test_t02_upload_commitment_read_back_and_only_then_public(miner: Miner) -> None:
    published = await miner.publish()
    assert published is not None
    assert published.public
    steps = [call for call in miner.trace.calls if call != "look"]
    assert steps == ["upload", "commit", "public"]
    assert miner.trace.calls[-2:] == ["look", "public"]
    (text,) = miner.texts
    commitment = parse_commitment(text, hotkey=ALICE, block=published.committed_at)
    assert getattr(commitment, "model", None) == published.model
    assert published.committed_at == miner.chain.number


async def test_a_schedule_in_transition_has_the_text_written_that_existing_validators_read(
    miner: Miner,
) -> None:
    published = await miner.publish(form=CommitmentFormat.V1)
    assert published is not None
    (text,) = miner.texts
    assert text.count(":") == 4  # no version in front
    commitment = parse_commitment(text, hotkey=ALICE, block=published.committed_at)
    assert isinstance(commitment, Commitment)
    assert commitment.format is CommitmentFormat.V1
    revision, hashes = miner.publisher.uploads[REPO]
    assert commitment.model.revision == revision
    assert commitment.model.secure_hash == secure_hash(hashes.v1, ALICE)


async def test_publishing_again_changes_nothing(miner: Miner) -> None:
    first = await miner.publish()
    miner.chain.advance(1_000)
    assert await miner.publish() == first
    assert len(miner.texts) == 1


@pytest.mark.parametrize("die_at", range(12))
async def test_t02_a_kill_at_any_moment_is_made_good_by_running_it_again(
    miner: Miner, die_at: int
) -> None:
    miner.trace.die_at = die_at
    with pytest.raises(Killed):
        await miner.publish()
    assert not miner.publisher.public or miner.texts
    miner.chain.advance(IN_FLIGHT_BLOCKS)
    published = await miner.publish()
    assert published is not None
    assert published.public
    assert len(miner.texts) == 1
    assert miner.publisher.public == {REPO}
    assert miner.given_up == []


async def test_the_kills_above_cover_every_step(miner: Miner) -> None:
    await miner.publish()
    assert miner.trace.position == 12


@pytest.mark.parametrize("lands", [True, False])
async def test_a_commitment_on_its_way_is_waited_for_and_never_sent_twice(
    miner: Miner, lands: bool
) -> None:
    chain = _Losing()
    miner.chain = chain
    with pytest.raises(Killed):
        await miner.publish()
    again = asyncio.create_task(miner.publish())
    await miner.waited.wait()
    assert miner.waits[-1] == ("the commitment sent at block 1000 may still be included", 25)
    if lands:
        chain.land()
    else:
        chain.advance(IN_FLIGHT_BLOCKS)
    assert await again is not None
    assert len(miner.texts) == 1
    assert miner.publisher.public == {REPO}


class _Losing(_Chain):
    """The first commitment is handed over, and the process dies before it is included."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[str] = []

    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        if self.pending:
            return await FakeChain.commit(self, text, reveal_at=reveal_at)
        self.pending.append(text)
        raise Killed

    def land(self) -> None:
        self.advance()
        self.texts.append((BlockRef(self.number, "0x"), self.pending[0]))
        self.seals.append(None)


async def test_t02_a_sealed_model_stays_private_until_its_commitment_can_be_read(
    miner: Miner,
) -> None:
    opens = time_of(miner.chain.number) + timedelta(hours=1)
    for _ in range(2):
        published = await miner.publish(reveal_at=opens)
        assert published is not None
        assert not published.public
        assert miner.publisher.public == set()
    miner.chain.advance(400)
    published = await miner.publish(reveal_at=opens)
    assert published is not None
    assert published.public
    assert len(miner.texts) == 1
    assert miner.given_up == []


async def test_a_strangers_seal_is_replaced_only_after_a_yes(miner: Miner) -> None:
    opens = time_of(miner.chain.number) + timedelta(hours=1)
    await miner.chain.commit("another text", reveal_at=opens)
    with pytest.raises(CommandError, match="will never open; to commit anyway: --replace-champion"):
        await miner.publish()
    assert len(miner.texts) == 1
    assert await miner.publish(may_replace=True) is not None
    assert len(miner.texts) == 2


async def test_with_a_wait_one_call_publishes_what_was_sealed(miner: Miner) -> None:
    opens = time_of(miner.chain.number) + timedelta(hours=1)
    sealed = asyncio.create_task(miner.publish(reveal_at=opens, wait=True))
    await miner.waited.wait()
    assert miner.waits == [("the sealed commitment opens", None)]
    assert miner.publisher.public == set()
    miner.chain.advance(400)
    published = await sealed
    assert published is not None
    assert published.public
    assert len(miner.texts) == 1
    assert [call for call in miner.trace.calls if call != "look"] == ["upload", "commit", "public"]


async def test_another_commitment_in_place_of_the_seal_opens_no_repository(miner: Miner) -> None:
    opens = time_of(miner.chain.number) + timedelta(hours=1)
    sealed = asyncio.create_task(miner.publish(reveal_at=opens, wait=True))
    await miner.waited.wait()
    await miner.chain.commit("another text")
    with pytest.raises(ChainUnavailable, match="does not show the commitment"):
        await sealed
    assert miner.publisher.public == set()
    assert len(miner.texts) == 2


async def test_a_dry_run_reads_the_chain_and_sends_nothing(miner: Miner) -> None:
    assert await miner.publish(dry_run=True) is None
    assert miner.trace.calls == ["look"]


async def test_what_validators_refuse_reaches_neither_host_nor_chain(miner: Miner) -> None:
    with pytest.raises(ModelRejected) as caught:
        await miner.publish(constraints=some_constraints(max_bytes=1))
    assert caught.value.reason is Reason.TOO_LARGE
    assert miner.publisher.uploads == {}
    assert miner.texts == []


async def test_a_name_too_long_for_the_chain_is_refused_before_the_upload(miner: Miner) -> None:
    with pytest.raises(PublishRefused, match="rename the repository"):
        await miner.publish(repo=f"alice/{'x' * 40}")
    assert miner.trace.calls == []


async def test_a_refused_commitment_leaves_the_upload_private_and_can_be_tried_at_once(
    miner: Miner,
) -> None:
    miner.chain.failures = []
    refused = _Refusing()
    good, miner.chain = miner.chain, refused
    with pytest.raises(CommitmentRefused):
        await miner.publish()
    assert miner.publisher.public == set()
    miner.chain = good
    assert await miner.publish() is not None


class _Refusing(_Chain):
    async def commit(self, text: str, *, reveal_at: datetime | None = None) -> BlockRef:
        raise CommitmentRefused("not registered", code="AccountNotAllowedCommit")


async def test_a_commitment_that_the_chain_does_not_show_publishes_nothing(miner: Miner) -> None:
    miner.chain = _Forgetful()
    with pytest.raises(ChainUnavailable, match="does not show the commitment"):
        await miner.publish()
    assert miner.publisher.public == set()


class _Forgetful(_Chain):
    async def standing(self) -> StandingCommitment | None:
        return None


async def test_an_outage_of_the_host_leaves_nothing_committed(miner: Miner) -> None:
    miner.publisher.failures = [StoreUnavailable("the hub answers 503")]
    with pytest.raises(StoreUnavailable):
        await miner.publish()
    assert miner.texts == []
    assert await miner.publish() is not None


async def test_a_torn_note_is_as_none(miner: Miner) -> None:
    (miner.root / "publish.json").write_text('{"text": "2:al')
    assert await miner.publish() is not None


async def test_a_note_that_cannot_be_written_is_one_line_and_nothing_is_committed(
    miner: Miner,
) -> None:
    (miner.root / "publish.json.partial").mkdir()
    with pytest.raises(CommandError, match=r"publish\.json, .*: Is a directory; nothing was comm"):
        await miner.publish()
    assert miner.texts == []
    (miner.root / "publish.json.partial").rmdir()
    (miner.root / "publish.json").mkdir()
    with pytest.raises(CommandError, match=r"publish\.json, .*: Is a directory"):
        await miner.publish()


async def test_the_rate_limit_is_waited_for_and_counted_down(miner: Miner) -> None:
    await miner.publish()
    miner.chain.rate_limit_blocks = 3
    (miner.root / "model" / "model.safetensors").write_bytes(b"better")
    again = asyncio.create_task(miner.publish(repo="alice/better"))
    for _ in range(3):
        await miner.waited.wait()
        miner.waited.clear()
        miner.chain.advance()
    assert await again is not None
    assert miner.waits == [("the rate limit", n) for n in (2, 1, 0)]
    assert [at.number for at, _ in miner.chain.texts] == [1001, 1004]


async def test_another_model_can_follow_at_once(miner: Miner) -> None:
    await miner.publish()
    (miner.root / "model" / "model.safetensors").write_bytes(b"better")
    assert await miner.publish(repo="alice/better") is not None
    assert len(miner.texts) == 2
