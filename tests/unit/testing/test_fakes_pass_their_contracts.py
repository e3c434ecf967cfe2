"""Every fake passes the contract of the port it stands in for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import pytest

from sn37.domain.data.samples import PoolRequest
from sn37.domain.ids import Block, Hotkey, Netuid
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import ParameterValue, TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.scoring.jobs import ScoringJob
from sn37.domain.submission.commitment import Commitment, CommitmentBook
from sn37.ports.errors import (
    ChainUnavailable,
    DatasetUnavailable,
    ModelRejected,
    ScorerUnavailable,
    StateUnavailable,
    StateUnreadable,
    StoreUnavailable,
)
from sn37.testing.builders import (
    CHAIN_START,
    a_batch,
    a_commitment,
    a_commitment_book,
    a_job,
    a_malformed_commitment,
    a_neuron,
    a_pool_request,
    a_tokenizer_ref,
    a_window,
    an_artifact,
    some_constraints,
    some_samples,
)
from sn37.testing.chain_contract import ChainContract, CommitmentWriterContract, SignerContract
from sn37.testing.clock_contract import ClockContract
from sn37.testing.dataset_contract import (
    DatasetPluginContract,
    LiveDatasetContract,
    ReadStaticDatasetContract,
)
from sn37.testing.fakes import (
    FakeChain,
    FakeClock,
    FakeLiveDataset,
    FakeModelStore,
    FakePlugin,
    FakePublisher,
    FakeRecord,
    FakeScorer,
    FakeSigner,
    FakeStateStore,
    FakeStaticDataset,
    Memory,
    RecordingSink,
    fake_signature,
)
from sn37.testing.model_publisher_contract import ModelPublisherContract
from sn37.testing.model_store_contract import ModelStoreContract
from sn37.testing.record_reader_contract import RecordReaderContract
from sn37.testing.scorer_contract import ScorerContract
from sn37.testing.state_store_contract import StateStoreContract
from sn37.testing.telemetry_contract import EventSinkContract

if TYPE_CHECKING:
    from sn37.ports.chain import Chain, CommitmentWriter, Signer
    from sn37.ports.clock import Clock
    from sn37.ports.dataset import DatasetPlugin, LiveDataset, StaticDataset
    from sn37.ports.model_store import ModelPublisher, ModelStore
    from sn37.ports.record_reader import RecordReader
    from sn37.ports.scorer import Scorer
    from sn37.ports.state_store import StateStore
    from sn37.ports.telemetry import EventSink


def caused(error: Exception) -> Exception:
    """As an adapter raises it: chained to the failure of its library."""
    error.__cause__ = OSError("connection reset")
    return error


class TestFakeClock(ClockContract):
    def clock(self) -> Clock:
        return FakeClock()


class TestRecordingSink(EventSinkContract):
    def sink(self) -> EventSink:
        return RecordingSink()

    def broken_sink(self) -> EventSink:
        return RecordingSink()  # a list has no destination that could refuse


class TestFakeRecord(RecordReaderContract):
    @pytest.fixture(autouse=True)
    def memory(self) -> None:
        self._memory = Memory()
        self._record = FakeRecord(self._memory)

    def store(self) -> StateStore:
        return FakeStateStore(memory=self._memory)

    def reader(self) -> RecordReader:
        return self._record

    def missing(self) -> RecordReader:
        return FakeRecord(is_there=False)


class TestFakeChain(ChainContract):
    def chain(self) -> AbstractAsyncContextManager[Chain]:
        chain = FakeChain(hotkey=self.signer())
        chain.set_members(
            *(
                a_neuron(h, uid=uid, validator_permit=not uid)
                for uid, h in enumerate(self.members())
            )
        )
        chain.set_members(a_neuron("zoe"), netuid=self.other_subnet()[0])
        chain.add(a_commitment("alice", 600), *self.book().well_formed.values())
        chain.add(*self.book().malformed.values())
        return nullcontext(chain)

    def silent_chain(self) -> AbstractAsyncContextManager[Chain]:
        return nullcontext(FakeChain(failures=[caused(ChainUnavailable("nobody answers"))]))

    async def produce_block(self, chain: Chain) -> None:
        assert isinstance(chain, FakeChain)
        chain.advance()

    async def weights_on(self, chain: Chain) -> Mapping[Hotkey, float]:
        assert isinstance(chain, FakeChain)
        return chain.submitted[-1].shares

    def signer(self) -> Hotkey:
        return Hotkey("validator")

    def members(self) -> tuple[Hotkey, ...]:
        return (self.signer(), Hotkey("alice"), Hotkey("mallory"))

    def book(self) -> CommitmentBook:
        return a_commitment_book(a_commitment("alice", 900), a_malformed_commitment("mallory", 700))

    def earlier(self) -> Block:
        return Block(500)

    def other_subnet(self) -> tuple[Netuid, tuple[Hotkey, ...]]:
        return Netuid(18), (Hotkey("zoe"),)


class TestFakeCommitmentWriter(CommitmentWriterContract):
    def writer(self) -> AbstractAsyncContextManager[CommitmentWriter]:
        return nullcontext(FakeChain())

    def silent_writer(self) -> AbstractAsyncContextManager[CommitmentWriter]:
        return nullcontext(FakeChain(failures=[caused(ChainUnavailable("nobody answers"))]))

    async def committed(self, writer: CommitmentWriter) -> str | None:
        assert isinstance(writer, FakeChain)
        return writer.texts[-1][1] if writer.texts else None

    async def wait_out_the_rate_limit(self, writer: CommitmentWriter) -> None:
        assert isinstance(writer, FakeChain)
        writer.advance(100)


class TestFakeSigner(SignerContract):
    def signer(self) -> Signer:
        return FakeSigner()

    def verify(self, hotkey: Hotkey, message: bytes, signature: bytes) -> bool:
        return signature == fake_signature(hotkey, message)


class TestFakeModelStore(ModelStoreContract):
    def store(self) -> AbstractAsyncContextManager[ModelStore]:
        store = FakeModelStore(private={self.private().model.repo})
        for commitment in (self.published(), self.other(), self.private()):
            store.publish(commitment)
        for reason, commitment in self.faulty().items():
            store.publish(commitment)
            store.rejections[commitment.model.revision] = reason
        large = a_commitment("large")
        store.publish(large, an_artifact(large, size_bytes=self.constraints().max_bytes + 1))
        return nullcontext(store)

    def silence(self, store: ModelStore) -> None:
        assert isinstance(store, FakeModelStore)
        store.failures.append(caused(StoreUnavailable("no answer")))

    def constraints(self) -> ModelConstraints:
        return some_constraints()

    def published(self) -> Commitment:
        return a_commitment("alice")

    def other(self) -> Commitment:
        return a_commitment("bob")

    def private(self) -> Commitment:
        return a_commitment("carol")

    def copied(self) -> Commitment:
        return a_commitment("mallory", model=self.published().model)

    def faulty(self) -> Mapping[Reason, Commitment]:
        return {Reason.UNSAFE_FILE: a_commitment("pickle"), Reason.NORM: a_commitment("huge")}

    def tokenizer_ref(self) -> TokenizerRef:
        return a_tokenizer_ref()


class TestFakePublisher(ModelPublisherContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.root = tmp_path
        for name in ("good/model.safetensors", "bad/weights.pkl"):
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).write_bytes(b"weights")

    def publisher(self) -> AbstractAsyncContextManager[ModelPublisher]:
        return nullcontext(FakePublisher())

    def silence(self, publisher: ModelPublisher) -> None:
        assert isinstance(publisher, FakePublisher)
        publisher.failures.append(caused(StoreUnavailable("no answer")))

    def folder(self) -> PurePath:
        return self.root / "good"

    def bad_folder(self) -> PurePath:
        return self.root / "bad"

    def repo(self) -> str:
        return "alice/model"

    def constraints(self) -> ModelConstraints:
        return some_constraints()

    async def exists(self, publisher: ModelPublisher, repo: str) -> bool:
        assert isinstance(publisher, FakePublisher)
        return repo in publisher.uploads

    async def is_public(self, publisher: ModelPublisher, repo: str) -> bool:
        assert isinstance(publisher, FakePublisher)
        return repo in publisher.public


class TestFakeLiveDataset(LiveDatasetContract):
    def dataset(self) -> LiveDataset:
        rows = some_samples(100, since=CHAIN_START, every_s=60, signers=("v1", "v2", "v3"))
        return FakeLiveDataset(rows=[*reversed(rows)])

    def silent_dataset(self) -> LiveDataset:
        return FakeLiveDataset(failures=[caused(DatasetUnavailable("no answer"))])

    def partial_dataset(self) -> LiveDataset:
        return FakeLiveDataset(failures=[DatasetUnavailable("page 3 did not come")])

    def request(self) -> PoolRequest:
        window = a_window(since=CHAIN_START + timedelta(minutes=10))
        return a_pool_request(window=window, trusted=("v1", "v3"))


class TestFakeStaticDataset(ReadStaticDatasetContract):
    def dataset(self) -> StaticDataset:
        return FakeStaticDataset(rows=some_samples(50))

    def silent_dataset(self) -> StaticDataset:
        return FakeStaticDataset(failures=[caused(DatasetUnavailable("no answer"))])

    def size(self) -> int | None:
        return 50


class TestFakePlugin(DatasetPluginContract):
    def plugin(self) -> DatasetPlugin:
        return FakePlugin(known=frozenset({"subset"}))

    def parameters(self) -> Mapping[str, ParameterValue]:
        return {"subset": "train"}

    def wrong_parameters(self) -> Mapping[str, Mapping[str, ParameterValue]]:
        return {"split": {"split": "train"}}


class TestFakeLivePlugin(TestFakePlugin):
    def plugin(self) -> DatasetPlugin:
        return FakePlugin(FakeLiveDataset(), known=frozenset({"subset"}))


class TestFakeScorer(ScorerContract):
    def scorer(self) -> AbstractAsyncContextManager[Scorer]:
        return nullcontext(
            FakeScorer(
                faults={"mallory/model": ModelRejected("no config.json", reason=Reason.UNLOADABLE)},
                slow={"eve/model": 1},
            )
        )

    def broken_scorer(self) -> AbstractAsyncContextManager[Scorer]:
        return nullcontext(FakeScorer(failures=[caused(ScorerUnavailable("device lost"))]))

    def job(self) -> ScoringJob:
        return self._job_of("alice")

    def unloadable_job(self) -> ScoringJob:
        return self._job_of("mallory")

    def hanging_job(self) -> ScoringJob:
        return self._job_of("eve")

    def _job_of(self, hotkey: str) -> ScoringJob:
        return a_job(
            artifact=an_artifact(a_commitment(hotkey)),
            batches=(a_batch("text"), a_batch("code", samples=some_samples(5, prefix="code"))),
        )


class TestFakeStateStore(StateStoreContract):
    @pytest.fixture(autouse=True)
    def _memory(self) -> None:
        self.memory = Memory()

    def open(self) -> StateStore:
        return FakeStateStore(memory=self.memory)

    def unreadable(self) -> StateStore:
        return FakeStateStore(failures=[StateUnreadable("of a newer version")])

    def unavailable(self) -> StateStore:
        return FakeStateStore(failures=[caused(StateUnavailable("disk full"))])
