"""Which rows of subnet 18 count: one read of runs by honest signers and by all others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from sn37.adapters.dataset.sn18 import Sn18, Sn18Parameters
from sn37.domain.canonical import JsonValue
from sn37.domain.data.repeats import held_elsewhere
from sn37.domain.data.samples import Pool, Sample
from sn37.domain.data.sampling import draw
from sn37.domain.data.vetting import MAX_CHARACTERS
from sn37.domain.ids import Seed, TaskName
from tests.integration.dataset.sn18_runs import (
    ALICE,
    BOB,
    CAROL,
    MINUTE,
    PROJECT,
    REQUEST,
    SINCE,
    WINDOW,
    a_config,
    a_row,
    a_run,
    ids,
    plain_rows,
)
from tests.integration.dataset.wandb_server import API_KEY, HostedRun, WandbHost, running_wandb

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def under(run: str, config: dict[str, JsonValue]) -> HostedRun:
    """Good rows in a run with a config of its own."""
    hosted = a_run(run, ALICE, plain_rows(run, 3, since=SINCE))
    hosted.config = config
    return hosted


# Runs that prove nothing, by what is wrong with their config.
UNSIGNED: dict[str, dict[str, JsonValue]] = {
    "stolen-name": a_config("stolen-name", CAROL, claims=ALICE),
    "copied-signature": a_config("honest", ALICE),
    "not-trusted": a_config("not-trusted", CAROL),
    "a-miners": {**a_config("a-miners", ALICE), "type": "miner"},
    "no-config": {},
    "no-hex": {**a_config("no-hex", ALICE), "signature": "not hex"},
    "too-short": {**a_config("too-short", ALICE), "signature": "00"},
    "a-number": {**a_config("a-number", ALICE), "signature": 7},
    "no-address": {"type": "validator", "hotkey": "me", "signature": "00" * 64},
}

BAD_TEXTS: dict[str, tuple[JsonValue, JsonValue]] = {
    "empty prompt": (" \n", "answer"),
    "empty response": ("question", "\t "),
    "no response": ("question", None),
    "a number": ("question", 5),
    "a list": (["question"], "answer"),
    "NUL": ("question", "an\0swer"),
    "endless": ("question", "x" * MAX_CHARACTERS),
    "phrase at the start of the prompt": ("OpenAI made you?", "No."),
    "phrase in the middle of the prompt": ("Is it true that ChatGPT lies to us?", "No."),
    "phrase at the end of the prompt": ("Tell me who made gPt", "No."),
    "phrase at the start of the response": ("Who?", "As an AI language model I cannot say."),
    "phrase in the middle of the response": ("Who?", "Well, openai did, so they say."),
    "phrase at the end of the response": ("Who?", "The end<|endoftext|>"),
}


def times_around_the_window() -> list[tuple[int, bool]]:
    """Seconds from the window's start, and whether a row of then counts."""
    end = int((WINDOW.until - SINCE).total_seconds())
    return [(-3600, False), (-1, False), (0, True), (end - 1, True), (end, False), (end + 1, False)]


def hosted_runs() -> list[HostedRun]:
    around = [
        a_row(step, SINCE + seconds * SECOND, {0: (f"around {step}?", "yes")})
        for step, (seconds, _) in enumerate(times_around_the_window())
    ]
    bad = [
        a_row(step, SINCE + step * SECOND, {1: texts, 2: (f"beside {step}?", "good")})
        for step, texts in enumerate(BAD_TEXTS.values())
    ]
    images = [a_row(0, SINCE, {0: ("a cat", "https://cats")}, modality="images")]
    beyond = [a_row(0, SINCE, {255: ("last?", "yes"), 256: ("no such uid?", "no")})]
    half = a_row(0, SINCE, {0: ("half?", "yes")})
    half["responses.0"] = "\ud83d"  # the host's own client makes a sign of damage of it
    fresh = replace_time(plain_rows("fresh", 90, since=SINCE + HOUR), -HOUR)
    runs = [
        a_run("honest", ALICE, plain_rows("honest", 20, since=SINCE)),
        a_run("around", ALICE, around),
        a_run("bad-texts", ALICE, bad),
        a_run("images", ALICE, images),
        a_run("beyond", ALICE, beyond),
        a_run("half-a-sign", ALICE, [half]),
        # Its clock is an hour slow: it says to have logged before it began.
        a_run("slow-clock", BOB, fresh, created_at=SINCE + HOUR),
        # Its clock is an hour fast: it says to have logged after its last sign of life.
        a_run(
            "fast-clock",
            BOB,
            plain_rows("fast", 90, since=SINCE + HOUR),
            heartbeat_at=SINCE + 90 * MINUTE,
        ),
        # The same texts as of the honest run, later; and as of the next, at the same time.
        a_run("replayed", BOB, replace_time(plain_rows("honest", 20, since=SINCE), HOUR)),
        a_run("twin-b", BOB, plain_rows("twin", 5, since=SINCE)),
        a_run("twin-a", ALICE, plain_rows("twin", 5, since=SINCE)),
        # Rows of yesterday's style, appended at the end with times inside the window.
        a_run("appended", BOB, appended()),
    ]
    return runs + [under(run, config) for run, config in UNSIGNED.items()]


def replace_time(rows: list[dict[str, JsonValue]], by: timedelta) -> list[dict[str, JsonValue]]:
    moved = []
    for row in rows:
        time = row["_timestamp"]
        assert isinstance(time, float)
        moved.append({**row, "_timestamp": time + by.total_seconds()})
    return moved


def appended() -> list[dict[str, JsonValue]]:
    return [
        *plain_rows("appended", 10, since=SINCE + HOUR),
        *plain_rows("appended", 5, since=SINCE, first_step=10),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    pool: Pool
    log: str

    @property
    def ids(self) -> set[str]:
        return {s.provenance.row_id for s in self.pool.samples}

    def of(self, run: str) -> dict[str, Sample]:
        samples = self.pool.samples
        return {
            s.provenance.row_id: s for s in samples if s.provenance.row_id.startswith(f"{run}/")
        }


def read(host: WandbHost) -> Read:
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_API_KEY", API_KEY)
        patch.setattr(
            "sn37.adapters.dataset.signed_pool.log.info",
            lambda text, *args: lines.append(text % args),
        )
        pool = asyncio.run(Sn18(Sn18Parameters(base_url=host.url)).collect(REQUEST))
    return Read(pool=pool, log="\n".join(lines))


@pytest.fixture(scope="module")
def found() -> Iterator[Read]:
    with running_wandb() as host:
        host.projects[PROJECT] = hosted_runs()
        yield read(host)


def test_a_row_is_a_prompt_a_response_their_time_and_their_signer(found: Read) -> None:
    assert found.of("honest").keys() == ids("honest", range(20))
    sample = found.of("honest")["honest/000007/200"]
    assert sample.prompt == "What does honest say at 7 to 200?"
    assert sample.reference == "It is 7 and 200."
    assert sample.provenance.produced_at == SINCE + 7 * MINUTE
    assert sample.provenance.signer == ALICE.hotkey


@pytest.mark.parametrize("run", UNSIGNED)
def test_a_run_id_signed_by_someone_else_or_not_at_all_proves_nothing(
    found: Read, run: str
) -> None:
    assert not found.of(run)


def test_a_row_one_second_too_old_does_not_count(found: Read) -> None:
    counted = [step for step, (_, counts) in enumerate(times_around_the_window()) if counts]
    assert found.of("around").keys() == ids("around", counted, [0])


@pytest.mark.parametrize(("step", "what"), list(enumerate(BAD_TEXTS)), ids=BAD_TEXTS)
def test_t17_what_is_no_text_and_an_undesirable_phrase_anywhere_leave_the_row_out(
    found: Read, step: int, what: str
) -> None:
    names = ids("bad-texts", [step], [1, 2])
    assert names & found.ids == ids("bad-texts", [step], [2]), what


def test_rows_of_another_modality_or_of_no_uid_do_not_count(found: Read) -> None:
    assert not found.of("images")
    assert found.of("beyond").keys() == {"beyond/000000/255"}


def test_half_of_a_surrogate_pair_never_reaches_the_pool(found: Read) -> None:
    (sample,) = found.of("half-a-sign").values()
    assert sample.reference == "\N{REPLACEMENT CHARACTER}"


def test_a_clock_an_hour_off_loses_the_rows_its_run_cannot_have_written(found: Read) -> None:
    assert found.of("slow-clock").keys() == ids("slow-clock", range(60, 90))
    assert found.of("fast-clock").keys() == ids("fast-clock", range(31))


def test_t52_replayed_rows_count_once_and_for_the_signer_with_fewer_rows(found: Read) -> None:
    elsewhere = held_elsewhere(found.pool.samples, key="")
    texts = [s.content_hash for s in found.pool.samples if s.provenance.row_id not in elsewhere]
    assert set(texts) == {s.content_hash for s in found.pool.samples}
    assert len(set(texts)) == len(texts) < len(found.pool.samples)
    num_rows = Counter(s.provenance.signer for s in found.pool.samples)
    assert num_rows[ALICE.hotkey] < num_rows[BOB.hotkey]
    assert elsewhere == found.of("replayed").keys() | found.of("twin-b").keys()


def test_t18_rows_appended_with_older_times_do_not_count(found: Read) -> None:
    assert found.of("appended").keys() == ids("appended", range(10))


def test_what_was_left_out_is_counted_by_reason_in_one_line(found: Read) -> None:
    assert found.log.startswith(f"sn18: {len(found.pool.samples)} rows of 12 runs, ")
    for part in (
        "6 with an undesirable phrase",
        "2 empty",
        "1 too long",
        "1 of another modality",
        "5 rows older than the row before",
        "119 rows from outside their run's time",
    ):
        assert f", {part}" in found.log


def test_t17_a_signer_who_floods_fills_his_share_of_a_sample_and_no_more(
    wandb_host: WandbHost,
) -> None:
    flood = [
        a_row(step, SINCE + step * SECOND, {uid: (f"{step} {uid}?", "spam") for uid in range(64)})
        for step in range(50)
    ]
    wandb_host.projects[PROJECT] = [
        a_run("alice", ALICE, plain_rows("alice", 60, since=SINCE)),
        a_run("flood", BOB, flood),
    ]
    pool = read(wandb_host).pool
    assert len(pool.samples) == 120 + 3200
    for seed in range(5):
        sample = draw(pool, task=TaskName("sn18"), count=100, seed=Seed(seed), signer_share=0.6)
        assert sum(s.provenance.signer == BOB.hotkey for s in sample) == 60


def test_t17_of_a_signer_who_logs_without_end_every_reader_keeps_the_same_rows(
    wandb_host: WandbHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sn37.adapters.dataset.kept_samples.MAX_POOL_BYTES", 20_000)
    rows = plain_rows("flood", 239, since=SINCE)
    wandb_host.projects[PROJECT] = [
        a_run("alice", ALICE, plain_rows("alice", 20, since=SINCE)),
        a_run("flood", BOB, rows[:238]),
    ]
    early = read(wandb_host)
    wandb_host.projects[PROJECT][1].rows = rows
    late = read(wandb_host)
    assert len(early.of("alice")) == len(late.of("alice")) == 40
    assert 100 < len(early.of("flood")) < 300
    assert len(early.of("flood").keys() ^ late.of("flood").keys()) <= 4
    assert "beyond their signer's share" in early.log


def test_t42_readers_minutes_apart_draw_the_same_samples_of_a_feed_that_grows(
    wandb_host: WandbHost,
) -> None:
    names = {ALICE: "alice", BOB: "bob"}
    minutes = int((WINDOW.until - SINCE) / MINUTE)
    runs = [
        a_run(of, by, plain_rows(of, minutes, since=SINCE), heartbeat_at=WINDOW.until)
        for by, of in names.items()
    ]
    wandb_host.projects[PROJECT] = runs
    early = read(wandb_host).pool
    for run in runs:
        run.rows += [
            *plain_rows(run.id, 15, since=WINDOW.until, first_step=minutes),
            *plain_rows(f"{run.id} made up", 50, since=SINCE + HOUR, first_step=minutes + 15),
        ]
        run.heartbeat_at += 15 * MINUTE
    made_up = plain_rows("whole run made up", 50, since=SINCE + HOUR)
    runs.append(a_run("made-up", ALICE, made_up, created_at=WINDOW.until))
    late_row = a_row(0, WINDOW.until - SECOND, {0: ("sent late?", "yes")})
    runs.append(a_run("held-back", BOB, [late_row]))
    late = read(wandb_host).pool
    assert len(late.samples) == len(early.samples) + 1
    for seed in range(5):
        ours, theirs = (
            {
                s.provenance.row_id
                for s in draw(pool, task=TaskName("sn18"), count=300, seed=Seed(seed))
            }
            for pool in (early, late)
        )
        assert len(ours & theirs) >= 0.99 * 300


def test_rows_that_anybody_may_have_written_are_refused() -> None:
    with pytest.raises(ValueError, match="signers_netuid"):
        asyncio.run(Sn18(Sn18Parameters()).collect(replace(REQUEST, trusted=None)))
