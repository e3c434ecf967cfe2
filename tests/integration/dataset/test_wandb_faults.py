"""A wandb that misbehaves: what passes is waited for, what lasts is no answer at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sn37.adapters.dataset.wandb_history import BEFORE_A_GAP, WIDEST
from sn37.adapters.dataset.wandb_messages import Query, RowFound, RunFound
from sn37.adapters.dataset.wandb_rows import read_rows
from sn37.domain.canonical import JsonValue
from sn37.ports.errors import DatasetUnavailable
from tests.integration.dataset.sn18_runs import ALICE, BOB, MINUTE, SINCE, WINDOW, a_run, plain_rows
from tests.integration.dataset.wandb_server import Fault, HostedRun, Row, WandbHost

LISTING, STEPS, PAGE = "Runs", "RunHistoryKeys", "HistoryPage"
ROWS = 40
QUERY = Query(
    entity="e",
    project="p",
    config={},
    told=["hotkey"],
    columns=["modality"],
    indexed=["prompts"],
    since=WINDOW.since.timestamp(),
    until=WINDOW.until.timestamp(),
    page_steps=16,
    retries=1,
    request_timeout_s=2,
)


def fill(host: WandbHost) -> HostedRun:
    run = a_run("run", ALICE, plain_rows("alice", ROWS, since=SINCE))
    host.projects["e/p"] = [run, a_run("other", BOB, plain_rows("bob", 3, since=SINCE))]
    return run


async def read(
    host: WandbHost, query: Query = QUERY, *, timeout_s: float = 200.0
) -> tuple[list[RowFound], Mapping[str, int]]:
    rows: list[RowFound] = []
    left_out = await read_rows(
        replace(query, base_url=host.url),
        choose=lambda runs: [run.id for run in runs],
        take=rows.append,
        timeout_s=timeout_s,
    )
    return rows, left_out


def times_asked(host: WandbHost, operation: str) -> int:
    return sum(asked == operation for asked, _ in host.asked)


@pytest.mark.fault("wandb rows", "flapping")
async def test_passing_faults_are_waited_for(wandb_host: WandbHost) -> None:
    fill(wandb_host)
    wandb_host.faults += [
        Fault(operation="Viewer", status=429, headers={"Retry-After": "1"}),
        Fault(operation=LISTING, status=503),
        Fault(operation=STEPS, status=429),
        Fault(operation=PAGE, status=500),
        Fault(operation=PAGE, skip=1, drop=True),
        Fault(operation=PAGE, skip=2, mute=True),
    ]
    rows, left_out = await read(wandb_host)
    assert len(rows) == 2 * (ROWS + 3)
    assert left_out == {}
    assert [fault.times for fault in wandb_host.faults] == [0] * 6


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(operation=PAGE, status=429), "HTTP 429"),
        (Fault(operation=LISTING, status=502), "HTTP 502"),
        (Fault(operation="Viewer", drop=True), "EOF"),
        (Fault(operation="Viewer", status=401), "401"),
        (Fault(operation=PAGE, skip=1, cut=True), "EOF"),
        (Fault(operation=LISTING, data={"project": None}), "project"),
        (Fault(operation=LISTING, data={"project": {"runs": 7}}), "cannot read"),
        (Fault(operation=STEPS, data={"project": {"run": {"historyKeys": {"lastStep": "4"}}}}), ""),
        (Fault(operation=PAGE, data={"project": {"run": None}}), "no history"),
        (Fault(operation=PAGE, data={"project": {"run": {"history": [5]}}}), "cannot unmarshal"),
        (
            Fault(operation=PAGE, data={"project": {"run": {"history": ['{"_step": 9999}']}}}),
            "steps",
        ),
    ],
    ids=str,
)
@pytest.mark.fault("wandb rows", "down")
@pytest.mark.fault("wandb rows", "wrong")
async def test_a_lasting_fault_is_not_an_answer(
    wandb_host: WandbHost, fault: Fault, told: str
) -> None:
    fill(wandb_host)
    wandb_host.faults.append(replace(fault, times=None))
    with pytest.raises(DatasetUnavailable, match=r"^wandb e/p: ") as caught:
        await read(wandb_host)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "fault",
    [
        Fault(operation=PAGE, status=429, headers={"Retry-After": "3600"}),
        Fault(operation=PAGE, mute=True, times=None),
    ],
    ids=["asked to wait for an hour", "mute"],
)
@pytest.mark.fault("wandb rows", "slow")
@pytest.mark.fault("wandb reader", "will not die")
async def test_the_deadline_ends_a_read_that_does_not(wandb_host: WandbHost, fault: Fault) -> None:
    fill(wandb_host)
    wandb_host.faults.append(fault)
    slow = replace(QUERY, request_timeout_s=3600)
    with pytest.raises(DatasetUnavailable, match="could not be read within 6 s"):
        await read(wandb_host, slow, timeout_s=6)


async def test_a_run_that_grows_while_it_is_read_gives_the_rows_it_had(
    wandb_host: WandbHost,
) -> None:
    run = fill(wandb_host)
    before, _ = await read(wandb_host)
    later = iter(plain_rows("alice", 500, since=WINDOW.until + MINUTE, first_step=ROWS))

    def grow(operation: str) -> None:
        run.rows.append(next(later))

    wandb_host.on_request = grow
    during, _ = await read(wandb_host)
    assert during == before
    assert len(run.rows) > ROWS + 10


async def test_a_run_that_disappears_while_it_is_read_is_no_answer(wandb_host: WandbHost) -> None:
    run = fill(wandb_host)

    def shrink(operation: str) -> None:
        if times_asked(wandb_host, PAGE) == 2:
            run.rows = run.rows[:5]

    wandb_host.on_request = shrink
    with pytest.raises(DatasetUnavailable, match=r"lost steps|changed between"):
        await read(wandb_host)


@pytest.mark.fault("wandb rows", "wrong")
async def test_a_page_of_which_rows_are_missing_only_once_is_not_an_answer(
    wandb_host: WandbHost,
) -> None:
    fill(wandb_host)
    wandb_host.faults.append(Fault(operation=PAGE, data={"project": {"run": {"history": []}}}))
    with pytest.raises(DatasetUnavailable, match="changed between two reads"):
        await read(wandb_host)


@pytest.mark.fault("wandb rows", "wrong")
async def test_a_listing_that_is_too_short_is_not_an_answer(wandb_host: WandbHost) -> None:
    fill(wandb_host)
    listed: JsonValue = {"runCount": 5, "runs": {"edges": [], "pageInfo": {"hasNextPage": False}}}
    wandb_host.faults.append(Fault(operation=LISTING, data={"project": listed}))
    with pytest.raises(DatasetUnavailable, match="has 5 runs in the window but lists only 0"):
        await read(wandb_host)


async def test_malformed_runs_and_rows_are_left_out_and_counted(wandb_host: WandbHost) -> None:
    run = fill(wandb_host)
    odd: dict[str, JsonValue] = {"prompts.1": {"deep": ["value"]}, "prompts.2": "x" * 3_000_000}
    run.rows[0] = {"_step": 0, "_timestamp": "noon", "prompts.0": "when?"}
    run.rows[1] |= odd
    strange = a_run("../../strange id", ALICE, plain_rows("strange", 3, since=SINCE))
    wandb_host.projects["e/p"].append(strange)
    rows, left_out = await read(wandb_host)
    assert left_out == {
        "rows without a time": 1,
        "rows that are too long": 1,
        "runs without an id or a time": 1,
    }
    assert len(rows) == 2 * (ROWS + 3) - 2


@pytest.mark.parametrize("num_archived", [30, 32, ROWS])
async def test_rows_in_a_runs_archive_are_the_same_rows(
    wandb_host: WandbHost, num_archived: int
) -> None:
    run = fill(wandb_host)
    run.rows[7]["prompts.9"] = "a column that others do not have"
    before = await read(wandb_host)
    run.num_archived = num_archived
    assert await read(wandb_host) == before
    assert times_asked(wandb_host, "archive") == 1


@pytest.mark.parametrize("num_archived", [0, 12])
@pytest.mark.parametrize("gap", [300, 512, 1_999])
async def test_no_row_is_lost_where_steps_are_block_numbers(
    wandb_host: WandbHost, gap: int, num_archived: int
) -> None:
    run = fill(wandb_host)
    run.rows = run.rows[:20]
    for row in run.rows:
        step = row["_step"]
        assert isinstance(step, int)
        row["_step"] = 5_000 + gap * step
    run.num_archived = num_archived
    rows, left_out = await read(wandb_host)
    found = [row.step for row in rows if row.run == "run"]
    assert found == [5_000 + gap * step for step in range(20) for _ in range(2)]
    assert left_out == {}
    # Nothing is read again to find the end of a gap: an empty page is asked for twice.
    assert times_asked(wandb_host, PAGE) <= 2 * 20 * (gap / (16 * WIDEST) + 8)


async def test_what_lies_before_a_gap_that_is_too_long_is_reported(wandb_host: WandbHost) -> None:
    run = fill(wandb_host)
    newest = run.rows[-1]
    newest["_step"] = 10**9
    rows, left_out = await read(wandb_host)
    assert {row.step for row in rows if row.run == "run"} == {10**9}
    assert set(left_out) == {BEFORE_A_GAP}
    assert left_out[BEFORE_A_GAP] > 10**9 - 16 * WIDEST * 64


async def test_only_runs_with_a_sign_of_life_in_the_window_are_asked_for(
    wandb_host: WandbHost,
) -> None:
    fill(wandb_host)
    rows = plain_rows("old", 3, since=SINCE - 90 * MINUTE)
    over = a_run("over", BOB, rows, heartbeat_at=SINCE - MINUTE)
    not_yet = a_run("not-yet", BOB, rows, created_at=WINDOW.until + MINUTE)
    wandb_host.projects["e/p"] += [over, not_yet]
    wandb_host.projects["e/p"] += [a_run(f"more-{n}", BOB) for n in range(45)]
    seen: list[RunFound] = []

    def see(runs: tuple[RunFound, ...]) -> list[str]:
        seen.extend(runs)
        return []

    await read_rows(
        replace(QUERY, base_url=wandb_host.url),
        choose=see,
        take=lambda row: None,
    )
    assert {run.id for run in seen} == {"run", "other", *(f"more-{n}" for n in range(45))}
    assert times_asked(wandb_host, LISTING) == 3
    assert times_asked(wandb_host, PAGE) == 0


async def test_a_key_that_is_missing_is_asked_for_by_name(
    wandb_host: WandbHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(wandb_host)
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DatasetUnavailable, match="set WANDB_API_KEY"):
        await read(wandb_host)


async def test_a_client_that_is_not_installed_is_asked_for_by_name(
    wandb_host: WandbHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wandb.py").write_text("raise ModuleNotFoundError(\"No module named 'wandb'\")")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DatasetUnavailable, match=r"pip install 'sn37\[data\]'"):
        await read(wandb_host)


async def test_a_hundred_thousand_rows_are_read(wandb_host: WandbHost) -> None:
    steps = 400
    rows: list[Row] = [
        {
            "_step": step,
            "_timestamp": SINCE.timestamp() + 30.0 * step,
            "modality": "text",
            **{f"prompts.{uid}": f"{step} asks {uid}" for uid in range(256)},
        }
        for step in range(steps)
    ]
    wandb_host.projects["e/p"] = [a_run("run", ALICE, rows)]
    found, left_out = await read(wandb_host, replace(QUERY, request_timeout_s=30))
    assert len(found) == steps * 256 == 102_400
    assert left_out == {}
