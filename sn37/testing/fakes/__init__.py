"""In-memory ports for tests. Each one passes the contract of its port."""

from sn37.testing.fakes.chain import FakeChain, FakeSigner, fake_signature
from sn37.testing.fakes.clock import FakeClock
from sn37.testing.fakes.dataset import FakeLiveDataset, FakePlugin, FakeStaticDataset
from sn37.testing.fakes.model_store import FakeModelStore, FakePublisher
from sn37.testing.fakes.record import FakeRecord
from sn37.testing.fakes.scorer import FakeScorer, hashed_loss
from sn37.testing.fakes.state_store import FakeStateStore, Memory
from sn37.testing.fakes.telemetry import RecordingSink

__all__ = [
    "FakeChain",
    "FakeClock",
    "FakeLiveDataset",
    "FakeModelStore",
    "FakePlugin",
    "FakePublisher",
    "FakeRecord",
    "FakeScorer",
    "FakeSigner",
    "FakeStateStore",
    "FakeStaticDataset",
    "Memory",
    "RecordingSink",
    "fake_signature",
    "hashed_loss",
]
