"""Wiring of the actor that scores missed rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sn37.app.actors.spare_time import SpareTime
from sn37.app.cold_start.offered_round import RoundReader
from sn37.app.cold_start.past_round import PastRounds
from sn37.app.cold_start.rejudge import MakeRunner
from sn37.app.cold_start.resampling import Resampler
from sn37.app.missed.late_plans import LatePlanner
from sn37.app.missed.samples import MissedSamples
from sn37.app.missed.scorer import LateScoring, MissedRounds, OpenScratch
from sn37.app.receipts.signing import VerifySignature
from sn37.app.receipts.statements import StatementWriter
from sn37.app.rounds.scoring_jobs import JobBuilder
from sn37.app.rounds.screening import Screener
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.supervision.heads import Subscription
from sn37.app.wiring.network import Network
from sn37.ports.receipt_source import ReceiptSource
from sn37.ports.scorer import Scorer
from sn37.ports.state_store import StateStore
from sn37.ports.telemetry import EventSink


def build_missed_rounds(
    *,
    origins: Sequence[ReceiptSource],
    verify: VerifySignature,
    network: Network,
    loaded: LoadedSchedule,
    sources: Sources,
    scorer: Scorer,
    environment: Callable[[], Mapping[str, str]],
    keeper: StateKeeper,
    store: StateStore,
    runner: MakeRunner,
    statements: StatementWriter,
    open_scratch: OpenScratch,
    drop_scratch: Callable[[], None],
    spare: SpareTime,
    heads: Subscription,
    sink: EventSink,
) -> MissedRounds:
    """Return the actor with its dependencies."""
    chain, schedule = network.chain, loaded.schedule
    reader = RoundReader(
        chain=chain, schedule=schedule, fingerprint=loaded.fingerprint, verify=verify
    )
    screener = Screener(jobs=JobBuilder(network.models, keeper), scorer=scorer)
    resampler = Resampler(chain=chain, sources=sources, schedule=schedule, screener=screener)
    past = PastRounds(resampler=resampler, chain=chain)
    return MissedRounds(
        planner=LatePlanner(
            samples=MissedSamples(origins=origins, rounds=reader, past=past),
            chain=chain,
            models=network.models,
            keeper=keeper,
            store=store,
            schedule=schedule,
        ),
        scoring=LateScoring(
            models=network.models,
            runner=runner,
            environment=environment,
            statements=statements,
            open_scratch=open_scratch,
            drop_scratch=drop_scratch,
        ),
        keeper=keeper,
        spare=spare,
        heads=heads,
        schedule=schedule,
        sink=sink,
    )
