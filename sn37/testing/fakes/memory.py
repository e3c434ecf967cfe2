"""Content of a state store in memory, which tests may change."""

from __future__ import annotations

from dataclasses import dataclass, field

from sn37.domain.data.samples import Pool
from sn37.domain.ids import Block, EntryKey, RoundKey, TaskName
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.round.state import Beginning, EntryOutcome, RoundPlan, RoundResult, WeightsRecord
from sn37.domain.scoring.jobs import BlockLosses
from sn37.domain.scoring.opinion import Opinion
from sn37.domain.submission.submission import Submission


@dataclass(slots=True)
class Memory:
    """State that survives a restart of a ``FakeStateStore``."""

    submissions: dict[EntryKey, Submission] = field(default_factory=dict)
    pools: dict[RoundKey, dict[TaskName, Pool]] = field(default_factory=dict)
    plans: dict[RoundKey, RoundPlan] = field(default_factory=dict)
    results: dict[RoundKey, RoundResult] = field(default_factory=dict)
    journal: dict[tuple[RoundKey, EntryKey], list[BlockLosses]] = field(default_factory=dict)
    outcomes: dict[RoundKey, dict[EntryKey, EntryOutcome]] = field(default_factory=dict)
    newcomers_s: dict[RoundKey, float] = field(default_factory=dict)
    environments: dict[RoundKey, dict[EntryKey, dict[str, str]]] = field(default_factory=dict)
    opinions: dict[RoundKey, dict[EntryKey, Opinion]] = field(default_factory=dict)
    receipts: dict[RoundKey, list[SignedReceipt]] = field(default_factory=dict)
    statements: dict[RoundKey, SignedReceipt] = field(default_factory=dict)
    weights: dict[Block, WeightsRecord] = field(default_factory=dict)
    beginning: Beginning | None = None
