"""The metrics of a validator: what events and the recorded state make of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.telemetry.metrics import timing
from sn37.adapters.telemetry.metrics.disk import LOOK_EVERY_S, DiskUse
from sn37.adapters.telemetry.metrics.exposition import metrics_page
from sn37.adapters.telemetry.metrics.metric_table import (
    LABELS,
    MAX_HOTKEYS,
    MAX_NAMES,
    Definition,
    Kind,
    Metric,
)
from sn37.adapters.telemetry.metrics.tallies import Distribution, Tallies
from sn37.domain.events import (
    BlockScored,
    Cautioned,
    ColdStarted,
    EntryFinished,
    EntryStarted,
    RoundFinished,
    SubmissionFetched,
    SubmissionRefused,
    SubmissionSeen,
    WarmingUp,
    WeightsRevealed,
    WeightsSubmitted,
    WorkersConfined,
)
from sn37.domain.ids import Block, CompetitionId, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.round.state import (
    ColdStart,
    EntryResult,
    OpenRound,
    RoundResult,
    ValidatorState,
    WeightsRecord,
)
from sn37.domain.submission.submission import Submission, Verdict
from sn37.testing.builders import (
    a_beginning,
    a_commitment,
    a_competition,
    a_round_key,
    a_round_plan,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    an_artifact,
    an_entry_key,
    an_entry_result,
    an_outcome,
    every_event,
    some_weights,
)
from sn37.testing.telemetry_contract import EventSinkContract
from tests.support.metered import TWO_COMPETITIONS, Metered

ONE = CompetitionId(1)
ALICE, BOB = an_entry_key("alice", 100), an_entry_key("bob", 200)


@pytest.fixture
def metered(tmp_path: Path) -> Metered:
    return Metered(tmp_path)


class TestAsSink(EventSinkContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def sink(self) -> object:  # type: ignore[override]
        made = Metered(self.folder)
        made.follow()
        return made.sink

    def broken_sink(self) -> object:  # type: ignore[override]
        return Metered(self.folder / "gone").sink  # a disk that it cannot look at


def rounds(*results: RoundResult) -> ValidatorState:
    return ValidatorState(rounds={ONE: results})


def a_scored_round(
    sync_block: int,
    scores: dict[EntryKey, float],
    champion: EntryKey = ALICE,
    *others: EntryResult,
) -> RoundResult:
    rows = [an_entry_result(key, score=score) for key, score in scores.items()]
    return a_round_result(a_round_key(1, sync_block), champion=champion, entries=(*rows, *others))


def sent_weights(shares: dict[str, float]) -> WeightsRecord:
    return WeightsRecord(
        sync_block=Block(720),
        weights=some_weights(shares),
        sent_at=Block(730),
        extrinsic="731-2",
    )


class TestTable:
    def test_names_are_unique_and_every_label_says_what_bounds_it(self) -> None:
        names = [metric.value.name for metric in Metric]
        assert len(set(names)) == len(names)
        assert {label for metric in Metric for label in metric.value.labels} == set(LABELS)

    @pytest.mark.parametrize(
        ("name", "kind", "labels", "bounds"),
        [
            ("head", Kind.GAUGE, (), ()),
            ("sn37_heads", Kind.COUNTER, (), ()),
            ("sn37_heads_total", Kind.GAUGE, (), ()),
            ("sn37_a_seconds", Kind.HISTOGRAM, (), ()),
            ("sn37_a_seconds", Kind.HISTOGRAM, (), (2.0, 1.0)),
            ("sn37_a", Kind.GAUGE, (), (1.0,)),
            ("sn37_a", Kind.GAUGE, ("repo",), ()),
        ],
    )
    def test_a_name_against_the_conventions_is_refused(
        self, name: str, kind: Kind, labels: tuple[str, ...], bounds: tuple[float, ...]
    ) -> None:
        with pytest.raises(ValueError, match=f"metric {name}: "):
            Definition(name, kind, "What it is.", labels, bounds)

    def test_every_value_has_the_labels_of_its_metric(self, metered: Metered) -> None:
        state = rounds(a_scored_round(720, {ALICE: 1.0, BOB: 1.1}))
        metered.follow(replace(state, weights=(sent_weights({"alice": 1.0}),)))
        for event in (*every_event(), *every_event()):
            metered.sink.emit(event)
            if isinstance(event, BlockScored):
                metered.sink.emit(event)
        metered.health.failing, metered.health.slow = {"chain": 5.0}, ["weights", "weights"]
        shown = list(metered.sink.samples())
        assert {metric for metric, *_ in shown} == set(Metric)
        for metric, labels, value in shown:
            assert len(labels) == len(metric.value.labels), metric
            assert isinstance(value, Distribution) == (metric.value.kind is Kind.HISTOGRAM)
        assert len({(metric, labels) for metric, labels, _ in shown}) == len(shown)


class TestChain:
    def test_before_the_first_block_its_age_counts_from_the_start(self, metered: Metered) -> None:
        metered.clock.elapsed += 100
        assert metered.values(Metric.HEAD_AGE) == {(): 100.0}
        assert metered.values(Metric.HEAD) == {}

    def test_blocks_that_were_left_out_show(self, metered: Metered) -> None:
        metered.head(1000)
        assert metered.values(Metric.HEAD_STEP) == {}
        metered.head(1004)
        metered.clock.elapsed += 7
        assert metered.values(Metric.HEAD) == {(): 1004}
        assert metered.values(Metric.HEAD_STEP) == {(): 4}
        assert metered.values(Metric.HEAD_AGE) == {(): 7.0}
        assert metered.values(Metric.NEXT_SYNC) == {(): 1084}

    def test_every_dependency_is_shown_and_actors_that_fail(self, metered: Metered) -> None:
        metered.health.failing = {"chain": 12.0, "rounds": 3.0}
        shown = metered.values(Metric.DEGRADED)
        assert {labels for labels, value in shown.items() if value} == {("chain",), ("rounds",)}
        assert shown["weights",] == 0
        assert metered.values(Metric.DEGRADED_FOR) == {("chain",): 12.0, ("rounds",): 3.0}


class TestRecord:
    def test_a_restart_does_not_blank_the_board(self, metered: Metered) -> None:
        weights = sent_weights({"alice": 0.75, "bob": 0.25})
        state = replace(rounds(a_scored_round(720, {ALICE: 1.0, BOB: 1.1})), weights=(weights,))
        metered.follow(state)
        assert metered.values(Metric.CHAMPION) == {("1", "alice"): 1.0}
        assert metered.values(Metric.CHAMPION_SINCE) == {("1",): 720}
        assert metered.values(Metric.CROWN_HELD) == {("1",): 1.0, ("2",): 0.0}
        assert metered.values(Metric.WEIGHT) == {("alice",): 0.75, ("bob",): 0.25}
        assert metered.values(Metric.SCORE) == {("1", "alice"): 1.0, ("1", "bob"): 1.1}
        metered.head(760)
        metered.clock.elapsed += 5
        assert metered.values(Metric.WEIGHTS_AGE_BLOCKS) == {(): 30}
        assert metered.values(Metric.WEIGHTS_AGE) == {(): 30 * 12 + 5.0}

    def test_weights_that_were_not_sent_do_not_count(self, metered: Metered) -> None:
        unsent = WeightsRecord(sync_block=Block(720), weights=some_weights(), sent_at=Block(730))
        metered.follow(ValidatorState(weights=(unsent,)))
        metered.head(800)
        metered.head(850)
        assert metered.values(Metric.WEIGHTS_AGE_BLOCKS) == {(): 50}, "since the start"
        assert metered.values(Metric.WEIGHT) == {}

    def test_the_best_challenger_was_scored_on_all_samples(self, metered: Metered) -> None:
        carol = an_entry_key("carol", 300)
        early = an_entry_result(carol, score=0.5, reason=Reason.RACED_OUT)
        metered.follow(rounds(a_scored_round(720, {ALICE: 1.0, BOB: 1.1}, ALICE, early)))
        assert metered.values(Metric.CHAMPION_SCORE) == {("1",): 1.0}
        assert metered.values(Metric.CHALLENGER_SCORE) == {("1",): 1.1}

    def test_verdicts_and_missed_rounds_are_those_of_the_window(self, metered: Metered) -> None:
        late = an_entry_result(BOB, verdict=Verdict.WAITING, reason=Reason.QUEUED)
        judged = replace(a_scored_round(360, {ALICE: 1.0}, ALICE, late), postponed=(BOB,))
        missed = [a_round_result(a_round_key(1, 360 * n), skipped=Reason.OVERRUN) for n in (2, 3)]
        metered.follow(rounds(judged, *missed))
        assert metered.values(Metric.ROUND) == {("1",): 1080}
        assert metered.values(Metric.ROUNDS_MISSED) == {("1",): 2, ("2",): 0}
        assert metered.values(Metric.ROUNDS_JUDGED) == {("1",): 1, ("2",): 0}
        assert metered.values(Metric.ROUND_ENTRIES)["1", "waiting"] == 1
        assert metered.values(Metric.ROUND_ENTRIES)["1", "failed"] == 0
        assert metered.values(Metric.POSTPONED) == {("1",): 1}

    def test_the_age_of_a_round_counts_from_the_last_one_or_from_the_start(
        self, metered: Metered
    ) -> None:
        later = a_stage(a_competition(1, reward_share=1.0), from_block=5000)
        schedule = a_schedule(*TWO_COMPETITIONS.stages, later)
        metered.follow(rounds(a_scored_round(720, {ALICE: 1.0})), schedule)
        assert metered.values(Metric.ROUND_AGE) == {}
        metered.head(700)
        metered.head(900)
        assert metered.values(Metric.ROUND_AGE) == {("1",): 180, ("2",): 200}
        metered.follow(schedule=schedule)
        metered.head(5010)
        assert metered.values(Metric.ROUND_AGE) == {("1",): 10}, "the other has ended"

    def test_a_competition_that_has_ended_is_not_shown(self, metered: Metered) -> None:
        only = a_schedule(a_stage(a_competition(2, reward_share=1.0)))
        metered.follow(rounds(a_scored_round(720, {ALICE: 1.0})), only)
        metered.head(2000)
        for metric in (Metric.CROWN_HELD, Metric.QUEUE, Metric.ROUNDS_MISSED, Metric.WARM_UP):
            assert {labels[0] for labels in metered.values(metric)} == {"2"}
        assert metered.values(Metric.CHAMPION) == {}

    def test_the_round_under_way_shows_its_progress(self, metered: Metered) -> None:
        plan = a_round_plan(a_round_key(), entries=[ALICE, BOB])
        opened = OpenRound(plan=plan, outcomes={ALICE: an_outcome(ALICE)})
        metered.follow(ValidatorState(open_rounds={plan.key: opened}))
        assert metered.values(Metric.OPEN_ENTRIES) == {("1",): 2, ("2",): 0}
        assert metered.values(Metric.OPEN_FINISHED) == {("1",): 1, ("2",): 0}

    def test_a_changed_state_shows_from_the_next_event_on(self, metered: Metered) -> None:
        metered.follow()
        metered.record.state = rounds(result := a_scored_round(720, {ALICE: 1.0}))
        metered.sink.emit(RoundFinished(result=result))
        assert metered.values(Metric.CHAMPION) == {("1", "alice"): 1.0}
        metered.record.state = rounds(
            result, newer := a_scored_round(1080, {ALICE: 1.0, BOB: 0.9}, BOB)
        )
        metered.sink.emit(RoundFinished(result=newer))
        assert metered.values(Metric.CHAMPION) == {("1", "bob"): 1.0}, "the former is gone"


def a_submission_of(hotkey: str, block: int = 100, **fields: object) -> Submission:
    competition = int(str(fields.pop("competition", 1)))
    made = a_submission(a_commitment(hotkey, block, competition=competition))
    return replace(made, **fields)  # type: ignore[arg-type]


def queue_of(metered: Metered, *submissions: Submission, state: ValidatorState) -> dict[str, int]:
    known = {s.commitment.key: s for s in submissions}
    metered.follow(replace(state, submissions=known))
    metered.head(2000)
    shown = metered.values(Metric.QUEUE)
    assert {labels[0] for labels in shown} == {"1", "2"}
    return {labels[1]: int(str(shown[labels])) for labels in shown if labels[0] == "1"}


class TestQueue:
    def test_those_without_a_model_wait_for_a_download_the_others_for_a_score(
        self, metered: Metered
    ) -> None:
        submissions = [
            a_submission_of("alice", artifact=an_artifact()),
            a_submission_of("bob"),
            a_submission_of("carol"),
        ]
        waiting = queue_of(metered, *submissions, state=ValidatorState())
        assert waiting == {"download": 2, "score": 1}

    def test_what_is_never_scored_again_does_not_wait(self, metered: Metered) -> None:
        gone = an_entry_result(
            an_entry_key("gone", 100), verdict=Verdict.WAITING, reason=Reason.NOT_REGISTERED
        )
        submissions = [
            a_submission_of("refused", rejection=Reason.UNSAFE_FILE),
            a_submission_of("copy", artifact=an_artifact(), duplicate_of=ALICE),
            a_submission_of("lost", artifact=an_artifact(), retired=True),
            a_submission_of("scored", artifact=an_artifact()),
            a_submission_of("gone"),
            a_submission_of("replaced", 100),
            a_submission_of("replaced", 150, rejection=Reason.TOO_LARGE),
        ]
        scored = an_entry_key("scored", 100)
        state = rounds(a_scored_round(720, {ALICE: 1.0, scored: 1.1}, ALICE, gone))
        assert queue_of(metered, *submissions, state=state) == {"download": 0, "score": 0}

    def test_it_is_counted_again_when_a_submission_or_a_round_is_new(
        self, metered: Metered
    ) -> None:
        first, second = (a_submission_of(h, artifact=an_artifact()) for h in ("alice", "bob"))
        assert queue_of(metered, first, state=ValidatorState())["score"] == 1
        metered.record.state = ValidatorState(
            submissions={s.commitment.key: s for s in (first, second)}
        )
        metered.head(2001)
        assert metered.values(Metric.QUEUE)["1", "score"] == 2
        scored = a_scored_round(1800, {first.commitment.key: 1.0}, first.commitment.key)
        metered.record.state = replace(metered.record.state, rounds={ONE: (scored,)})
        metered.sink.emit(RoundFinished(result=scored))
        assert metered.values(Metric.QUEUE)["1", "score"] == 1

    @given(competition=st.integers(3, 2**31))
    def test_a_competition_that_a_miner_made_up_is_not_a_label(self, competition: int) -> None:
        metered = Metered(Path("nowhere"))
        made_up = a_submission_of("mallory", competition=competition)
        waiting = queue_of(metered, made_up, state=ValidatorState())
        assert waiting == {"download": 0, "score": 0}


class TestCounters:
    def test_what_alerts_watch_is_shown_before_it_happens(self, metered: Metered) -> None:
        metered.follow()
        assert metered.values(Metric.OWN_FAILURES) == {("1",): 0, ("2",): 0}
        assert metered.values(Metric.REVEALS) == {("counted",): 0, ("dropped",): 0}
        assert set(metered.values(Metric.OPINIONS).values()) == {0}

    def test_a_failure_counts_as_ours_by_its_reason(self, metered: Metered) -> None:
        metered.follow()
        for reason in (Reason.DEVICE, Reason.TIMEOUT):
            failed = an_entry_result(ALICE, verdict=Verdict.FAILED, reason=reason)
            metered.sink.emit(EntryFinished(round=a_round_key(), result=failed))
        queued = an_entry_result(ALICE, verdict=Verdict.WAITING, reason=Reason.HUB_UNAVAILABLE)
        metered.sink.emit(EntryFinished(round=a_round_key(), result=queued))
        metered.sink.emit(EntryFinished(round=a_round_key(), result=an_entry_result(BOB)))
        assert metered.values(Metric.OWN_FAILURES)["1",] == 1
        assert metered.values(Metric.ENTRIES) == {
            ("1", "failed", "device"): 1,
            ("1", "failed", "timeout"): 1,
            ("1", "waiting", "hub_unavailable"): 1,
            ("1", "scored", "none"): 1,
        }

    def test_a_crown_counts_when_it_passes(self, metered: Metered) -> None:
        first, second = a_scored_round(720, {ALICE: 1.0}), a_scored_round(1080, {BOB: 0.9}, BOB)
        vacant = replace(a_round_result(a_round_key(1, 1440)), champion=None, entries=())
        metered.follow(rounds(first))
        for result in (first, second, second, vacant):
            metered.sink.emit(RoundFinished(result=result))
        assert metered.values(Metric.CROWN_CHANGES) == {("1",): 1, ("2",): 0}

    def test_adopted_crowns_have_not_passed_here(self, metered: Metered) -> None:
        metered.follow()
        metered.record.state = rounds(adopted := a_scored_round(720, {ALICE: 1.0}))
        metered.sink.emit(ColdStarted(beginning=a_beginning(ColdStart.RECEIPTS, source="other")))
        metered.sink.emit(RoundFinished(result=adopted))
        assert metered.values(Metric.CROWN_CHANGES)["1",] == 0

    def test_revealed_weights_count_or_are_dropped(self, metered: Metered) -> None:
        metered.sink.emit(WeightsRevealed(extrinsic="1-2"))
        metered.sink.emit(WeightsRevealed(extrinsic="1-3", fault="the chain dropped it"))
        assert metered.values(Metric.REVEALS) == {("counted",): 1, ("dropped",): 1}

    def test_the_warm_up_ends_with_the_first_weights(self, metered: Metered) -> None:
        metered.follow()
        metered.sink.emit(WarmingUp(rounds_left={ONE: 7}))
        assert metered.values(Metric.WARM_UP) == {("1",): 7, ("2",): 0}
        metered.sink.emit(
            WeightsSubmitted(sync_block=Block(720), weights=some_weights(), extrinsic="731-2")
        )
        assert metered.values(Metric.WARM_UP) == {("1",): 0, ("2",): 0}


class TestTimes:
    def test_an_entry_has_its_start_its_blocks_and_its_whole_time(self, metered: Metered) -> None:
        clock, round_ = metered.clock, a_round_key()
        emit = metered.sink.emit
        emit(EntryStarted(round=round_, key=ALICE, num_blocks=2, num_resumed=0))
        clock.elapsed += 500  # its worker failed
        emit(EntryStarted(round=round_, key=ALICE, num_blocks=2, num_resumed=0))
        for done, seconds in ((1, 20), (2, 3)):
            clock.elapsed += seconds
            emit(BlockScored(round=round_, key=ALICE, done=done, num_blocks=2))
        emit(EntryFinished(round=round_, result=an_entry_result(ALICE)))
        assert sums(metered, Metric.WORKER_START) == {(): 20.0}
        assert sums(metered, Metric.BLOCK_TIME) == {(): 3.0}
        assert sums(metered, Metric.SCORING) == {("1",): 23.0}

    def test_a_download_is_timed_from_the_commitment_on(self, metered: Metered) -> None:
        for key in (ALICE, BOB):
            metered.sink.emit(SubmissionSeen(key=key, repo="a/b", num_blocks_late=0))
        metered.clock.elapsed += 40
        metered.sink.emit(
            SubmissionRefused(key=BOB, reason=Reason.TOO_LARGE, detail="more than allowed")
        )
        for key in (ALICE, BOB, an_entry_key("before the start")):
            metered.sink.emit(SubmissionFetched(key=key, size_bytes=10))
        assert sums(metered, Metric.FETCHING) == {(): 40.0}
        assert metered.values(Metric.FETCHED_BYTES) == {(): 30}

    def test_a_time_falls_into_the_first_bucket_that_holds_it(self) -> None:
        empty = Distribution((0, 0, 0))
        assert empty.plus(1.0, (1.0, 2.0)) == Distribution((1, 0, 0), 1.0)
        assert empty.plus(1.5, (1.0, 2.0)) == Distribution((0, 1, 0), 1.5)
        assert empty.plus(9.0, (1.0, 2.0)) == Distribution((0, 0, 1), 9.0)


def sums(metered: Metered, metric: Metric) -> dict[tuple[str, ...], float]:
    shown = metered.values(metric)
    return {labels: v.sum_s for labels, v in shown.items() if isinstance(v, Distribution)}


class TestBounds:
    """What strangers do does not make the page longer."""

    def test_hotkeys_are_those_of_the_newest_round_and_at_most_so_many(
        self, metered: Metered
    ) -> None:
        held: list[RoundResult] = []
        for number in range(1, 30):
            entries = {an_entry_key(f"{number}-{n}", 100): 1.0 + n for n in range(200)}
            held.append(a_scored_round(360 * number, entries, min(entries)))
            metered.follow(rounds(*held))
        assert len(metered.values(Metric.SCORE)) == MAX_HOTKEYS
        assert {labels[1].split("-")[0] for labels in metered.values(Metric.SCORE)} == {"29"}
        assert ("1", "29-0") in metered.values(Metric.SCORE), "the best ones"

    def test_weights_are_bounded_too(self, metered: Metered) -> None:
        shares = {f"h{n}": 1 / 256 for n in range(256)}
        metered.follow(ValidatorState(weights=(sent_weights(shares),)))
        assert len(metered.values(Metric.WEIGHT)) == MAX_HOTKEYS

    def test_a_champion_with_a_newer_commitment_is_one_line(self, metered: Metered) -> None:
        newer = an_entry_key("alice", 300)
        metered.follow(rounds(a_scored_round(720, {ALICE: 1.2, newer: 1.0})))
        assert metered.values(Metric.SCORE) == {("1", "alice"): 1.0}
        assert metered.values(Metric.CHAMPION_SCORE) == {("1",): 1.2}

    def test_thousands_of_miners_add_no_line(self, metered: Metered) -> None:
        metered.follow()
        for event in every_event():
            metered.sink.emit(event)
        before = len(list(metered.sink.samples()))
        for number in range(2000):
            key = EntryKey(Hotkey(f"5{number}"), Block(number))
            metered.sink.emit(SubmissionSeen(key=key, repo=f"x/{number}", num_blocks_late=0))
            metered.sink.emit(
                SubmissionRefused(key=key, reason=Reason.UNSAFE_FILE, detail=str(number))
            )
            metered.sink.emit(
                EntryFinished(round=a_round_key(1, number), result=an_entry_result(key))
            )
        assert len(list(metered.sink.samples())) == before

    def test_subjects_of_cautions_are_bounded(self, metered: Metered) -> None:
        for number in range(200):
            metered.sink.emit(Cautioned(what=f"subject {number}", advice="look"))
        shown = metered.values(Metric.CAUTIONS)
        assert len(shown) == MAX_NAMES + 1
        assert shown["other",] == 200 - MAX_NAMES

    def test_what_never_ends_is_forgotten(
        self, metered: Metered, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(timing, "MAX_AWAITED", 2)
        keys = [an_entry_key(f"h{n}") for n in range(3)]
        for key in keys:
            metered.sink.emit(SubmissionSeen(key=key, repo="a/b", num_blocks_late=0))
        for key in keys:
            metered.sink.emit(SubmissionFetched(key=key, size_bytes=1))
        (found,) = metered.values(Metric.FETCHING).values()
        assert isinstance(found, Distribution)
        assert sum(found.counts) == 2


class TestSandbox:
    def test_each_layer_is_shown_present_or_missing(self, metered: Metered) -> None:
        metered.sink.emit(WorkersConfined(sandbox="user,landlock6,seccomp", missing=("pid", "net")))
        assert metered.values(Metric.SANDBOX_LAYER) == {
            ("user",): 1.0,
            ("landlock",): 1.0,
            ("seccomp",): 1.0,
            ("pid",): 0.0,
            ("net",): 0.0,
        }
        assert metered.values(Metric.SANDBOX) == {("user,landlock6,seccomp",): 1.0}
        assert metered.values(Metric.SANDBOX_MISSING) == {(): 2}

    def test_a_machine_without_layers_has_none_called_none(self, metered: Metered) -> None:
        metered.sink.emit(WorkersConfined(sandbox="none", missing=("landlock",)))
        assert metered.values(Metric.SANDBOX_LAYER) == {("landlock",): 0.0}


class TestDisk:
    def test_sizes_are_looked_up_once_a_minute(self, tmp_path: Path) -> None:
        now = 0.0
        (tmp_path / "models" / "a" / "b").mkdir(parents=True)
        (tmp_path / "models" / "a" / "b" / "weights").write_bytes(b"x" * 70)
        (tmp_path / "state.sqlite").write_bytes(b"x" * 5)
        (tmp_path / "state.sqlite-wal").write_bytes(b"x" * 2)
        disk = DiskUse(tmp_path / "state.sqlite", [tmp_path / "models"], 100, monotonic=lambda: now)
        first = {metric: value for metric, _, value in disk.samples()}
        assert (first[Metric.CACHE], first[Metric.QUOTA], first[Metric.STATE_SIZE]) == (70, 100, 7)
        free, size = first[Metric.DISK_FREE], first[Metric.DISK_SIZE]
        assert isinstance(free, int)
        assert isinstance(size, int)
        assert 0 < free <= size
        (tmp_path / "models" / "more").write_bytes(b"x" * 30)
        assert dict(cached(disk))[Metric.CACHE] == 70
        now = LOOK_EVERY_S
        assert dict(cached(disk))[Metric.CACHE] == 100

    def test_a_disk_that_cannot_be_read_has_no_sizes(self, tmp_path: Path) -> None:
        disk = DiskUse(tmp_path / "gone" / "state.sqlite", [], None)
        assert dict(cached(disk)) == {Metric.STATE_SIZE: 0, Metric.CACHE: 0}


def cached(disk: DiskUse) -> Iterator[tuple[Metric, object]]:
    return ((metric, value) for metric, _, value in disk.samples())


class TestThreads:
    def test_a_reader_and_the_writer_never_meet(self, metered: Metered) -> None:
        """A scrape while events arrive: no error, and each counter only rises."""
        metered.follow()
        done = threading.Event()
        seen: list[float] = []

        def read() -> None:
            while not done.is_set():
                (count,) = metered.values(Metric.SUBMISSIONS_SEEN).values()
                assert isinstance(count, float)
                seen.append(count)

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(3000):
            key = an_entry_key(f"h{number}")
            metered.sink.emit(SubmissionSeen(key=key, repo="a/b", num_blocks_late=0))
            metered.sink.emit(Cautioned(what=f"{number}", advice="look"))
        done.set()
        reader.join()
        assert seen == sorted(seen)

    @given(st.lists(st.floats(0, 1000), max_size=20))
    def test_a_bucket_holds_the_times_up_to_its_bound(self, times: list[float]) -> None:
        bounds = (1.0, 10.0, 100.0)
        found = Distribution((0,) * 4)
        for seconds in times:
            found = found.plus(seconds, bounds)
        below = [sum(t <= bound for t in times) for bound in (*bounds, float("inf"))]
        assert list(accumulate(found.counts)) == below
        assert found.sum_s == pytest.approx(sum(times))

    def test_a_histogram_is_read_whole(self) -> None:
        tallies = Tallies()
        for seconds in (1.0, 2.0, 500.0):
            tallies.observe(Metric.BLOCK_TIME, seconds=seconds)
        ((_, _, value),) = tallies.samples()
        assert isinstance(value, Distribution)
        assert (sum(value.counts), value.sum_s) == (3, 503.0)


def test_without_the_library_the_page_says_what_to_install(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sn37.adapters.telemetry.metrics.exposition.find_spec", lambda name: None)
    told: list[str] = []

    def begin(status: str, headers: object, _: object = None, /) -> object:
        told.append(status)
        return told.append

    content = b"".join(metrics_page(metered.sink)({}, begin))  # type: ignore[arg-type]
    assert told == ["503 Service Unavailable"]
    assert content == (
        b"metrics need prometheus_client: run pip install 'sn37[metrics]' and start again\n"
    )
