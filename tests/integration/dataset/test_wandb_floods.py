"""What an outsider may create in a project, without the key of a trusted hotkey."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from sn37.adapters.dataset.signed_runs import MAX_RUNS_OF_A_SIGNER, SignedRuns
from sn37.adapters.dataset.wandb_listing import (
    MAX_CONFIG_BYTES,
    MAX_LISTED,
    MAX_REPORTED_OF_A_SIGNER,
    RUNS_PER_PAGE,
)
from sn37.adapters.dataset.wandb_messages import Query, RowFound
from sn37.adapters.dataset.wandb_rows import read_rows
from sn37.domain.canonical import JsonValue
from sn37.ports.errors import DatasetUnavailable
from tests.integration.dataset.sn18_runs import (
    ALICE,
    BOB,
    CAROL,
    MINUTE,
    SINCE,
    TRUSTED,
    WINDOW,
    a_config,
    a_run,
    plain_rows,
)
from tests.integration.dataset.wandb_server import Fault, HostedRun, WandbHost, node_of

QUERY = Query(
    entity="e",
    project="p",
    config={"type": ["validator"], "hotkey": sorted(TRUSTED)},
    told=["type", "hotkey", "signature"],
    signed_by=("hotkey", "signature"),
    columns=["modality"],
    indexed=["prompts"],
    since=WINDOW.since.timestamp(),
    until=WINDOW.until.timestamp(),
    page_steps=16,
    retries=1,
    request_timeout_s=30,
)
FORGED = "runs whose signature does not verify"


def honest() -> list[HostedRun]:
    return [
        a_run("alices", ALICE, plain_rows("alice", 5, since=SINCE)),
        a_run("bobs", BOB, plain_rows("bob", 5, since=SINCE)),
    ]


def forged(name: str, **changes: JsonValue) -> HostedRun:
    """A run with good rows that names Alice, and has the signature of another run of hers."""
    run = a_run(name, CAROL, plain_rows(name, 2, since=SINCE), created_at=SINCE - 9 * MINUTE)
    run.config = {**a_config("alices", ALICE), **changes}
    return run


async def read(host: WandbHost) -> tuple[set[str], Mapping[str, int]]:
    """Runs of which rows were read, and what was left out."""
    rows: list[RowFound] = []
    signed = SignedRuns(
        trusted=TRUSTED, required={"type": "validator"}, hotkey="hotkey", signature="signature"
    )
    left_out = await read_rows(
        replace(QUERY, base_url=host.url), choose=signed.choose, take=rows.append, timeout_s=200.0
    )
    return {row.run for row in rows}, left_out


async def test_runs_that_only_name_a_hotkey_are_counted_and_change_nothing(
    wandb_host: WandbHost,
) -> None:
    number = 2_100  # more than a read took before, signed or not
    flood = [forged(f"forged-{n}") for n in range(number)]
    wandb_host.projects["e/p"] = [*honest(), *flood]
    assert await read(wandb_host) == ({"alices", "bobs"}, {FORGED: number})
    asked = {operation for operation, variables in wandb_host.asked if "name" in variables}
    assert asked  # histories, of signed runs only
    assert not any(str(v.get("name")).startswith("forged") for _, v in wandb_host.asked)


async def test_configs_that_are_huge_or_odd_cost_their_runs_only(wandb_host: WandbHost) -> None:
    huge = [forged(f"huge-{n}", noise="x" * 5_000_000) for n in range(RUNS_PER_PAGE)]
    odd = {
        "a list": "[1, 2]",
        "not JSON": "{",
        "deep": "[" * 100_000,  # too large, too
        "a number": "7",
        "a stolen hotkey": json.dumps({"hotkey": {"value": {"value": ALICE.hotkey}}}),
    }
    for text in odd.values():
        run = forged(f"odd-{len(huge)}")
        run.config_text = text
        huge.append(run)
    wandb_host.projects["e/p"] = [*huge, *honest()]
    assert MAX_CONFIG_BYTES < 5_000_000
    assert await read(wandb_host) == (
        {"alices", "bobs"},
        {FORGED: len(odd) - 1, "runs with a config that is too large": RUNS_PER_PAGE + 1},
    )


async def test_a_signer_with_many_runs_takes_no_place_of_another(wandb_host: WandbHost) -> None:
    number = MAX_REPORTED_OF_A_SIGNER + 3
    many = [
        a_run(
            f"many-{n:03d}",
            ALICE,
            plain_rows(f"many {n}", 1, since=SINCE),
            created_at=WINDOW.since - timedelta(hours=5) + timedelta(seconds=n),
        )
        for n in range(number)
    ]
    bobs = a_run("bobs", BOB, plain_rows("bob", 5, since=SINCE), created_at=SINCE)
    wandb_host.projects["e/p"] = [*reversed(many), bobs]
    found, left_out = await read(wandb_host)
    assert found == {"bobs", *(f"many-{n:03d}" for n in range(MAX_RUNS_OF_A_SIGNER))}
    assert left_out == {"runs beyond their signer's number": 3}


@pytest.mark.parametrize("enters", [True, False])
async def test_a_run_that_enters_or_leaves_while_runs_are_listed_does_not_stop_a_read(
    wandb_host: WandbHost, enters: bool
) -> None:
    early, late = (
        a_run(name, CAROL, created_at=WINDOW.since + days * timedelta(days=1))
        for name, days in (("early", -9), ("late", 0))
    )
    for run in (early, late):
        run.config = a_config("alices", ALICE)
    flood = [forged(f"forged-{n}") for n in range(2 * RUNS_PER_PAGE)]
    hosted = wandb_host.projects["e/p"] = [*honest(), *flood, late]
    num_listings = 0

    def change(operation: str) -> None:
        nonlocal num_listings
        num_listings += operation == "Runs"
        if num_listings == 2 and late in hosted:
            hosted.remove(late)
            if enters:
                hosted.extend((early, late))

    wandb_host.on_request = change
    found, left_out = await read(wandb_host)
    assert found == {"alices", "bobs"}
    assert left_out[FORGED] >= len(flood)


async def test_a_list_without_end_is_not_an_answer(wandb_host: WandbHost) -> None:
    page: list[JsonValue] = [
        {"node": node_of(forged(f"forged-{n}")), "cursor": "1"} for n in range(RUNS_PER_PAGE)
    ]
    listed: JsonValue = {
        "runCount": 10**6,
        "runs": {"edges": page, "pageInfo": {"endCursor": "1", "hasNextPage": True}},
    }
    wandb_host.projects["e/p"] = honest()
    wandb_host.faults.append(Fault(operation="Runs", data={"project": listed}, times=None))
    with pytest.raises(DatasetUnavailable, match=f"more than {MAX_LISTED} runs in the window"):
        await read(wandb_host)
