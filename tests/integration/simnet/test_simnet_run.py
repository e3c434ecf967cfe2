"""The validator on simnet, as its command line runs it, undisturbed. Made once, for all tests."""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from bittensor import sp_core

from sn37.adapters.simnet.chain.genesis import ChainBuilder
from sn37.adapters.simnet.chain.keys import keypair
from sn37.adapters.simnet.miners.roster import RECIPE
from sn37.adapters.simnet.world import NETUID, VALIDATOR, hotkey_of
from sn37.adapters.sqlite import maintenance
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.receipts.files import publish
from sn37.domain.ids import Block, CompetitionId, Hotkey, RoundKey
from sn37.domain.records.receipt import SignedReceipt
from tests.integration.simnet.killing import Run

SEED = 0
TIME_LIMIT_S = 900
LARGEST = {1: "c1-honest-large", 2: "c2-honest-large"}
SHARES = {1: 0.7, 2: 0.3}
Json = Any  # what json.loads returns


@pytest.fixture
def rounds(undisturbed: Run) -> list[Json]:
    loaded: list[Json] = json.loads(undisturbed.report.read_text())
    return loaded


def row_of(round_: Json, label: str) -> Json:
    (row,) = (e for e in round_["entries"] if e["label"] == label)
    return row


def test_every_round_names_its_competition_block_samples_and_winner(rounds: list[Json]) -> None:
    assert [(r["competition"], r["sync_block"]) for r in rounds] == [
        (1, 1800),
        (2, 1800),
        (1, 2160),
        (2, 2160),
    ]
    assert len({r["manifest_digest"] for r in rounds}) == 4
    assert rounds[0]["seed"] == rounds[1]["seed"] != rounds[2]["seed"]


def test_the_honest_miner_with_the_largest_budget_wins_every_round(rounds: list[Json]) -> None:
    assert [row_of(r, LARGEST[r["competition"]])["hotkey"] for r in rounds] == [
        r["winner"] for r in rounds
    ]


def test_larger_budgets_have_lower_losses(rounds: list[Json]) -> None:
    for round_ in rounds[:2]:
        tag = f"c{round_['competition']}-honest"
        small, medium, large = (
            row_of(round_, f"{tag}-{size}")["score"] for size in ("small", "medium", "large")
        )
        assert large < 0.95 * medium < 0.95 * 0.95 * small


def test_every_attacker_shows_its_own_reason(rounds: list[Json]) -> None:
    for round_ in rounds[:2]:
        here = [m for m in RECIPE.miners if m.competition == round_["competition"]]
        found = {m.name: row_of(round_, m.name)["reason"] for m in here if m.expected}
        assert found == {m.name: m.expected and m.expected.value for m in here if m.expected}


def test_only_the_winners_get_weight_and_the_chain_has_it(
    undisturbed: Run, rounds: list[Json]
) -> None:
    expected = {hotkey_of(SEED, LARGEST[c]): share for c, share in SHARES.items()}
    assert all(r["weights"] == pytest.approx(expected) for r in rounds)
    chain = ChainBuilder(undisturbed.state / "simnet" / "chain.sqlite", netuid=NETUID)
    try:
        on_chain = chain.weights(NETUID, Hotkey(keypair(SEED, VALIDATOR).ss58_address))
    finally:
        chain.close()
    assert on_chain == pytest.approx(expected, abs=1e-4)  # u16 on chain
    assert sum(on_chain.values()) == pytest.approx(1)


def test_the_schedule_changes_inside_the_run(rounds: list[Json]) -> None:
    seen = [row_of(r, LARGEST[r["competition"]])["num_samples"] for r in rounds]
    assert seen == [320, 320, 320, 352]


def test_the_tables_show_entries_reasons_standings_and_weights(undisturbed: Run) -> None:
    text = undisturbed.console.read_text()
    for word in ("c1-honest-large", "copied_commitment", "Standings", "Weights", "0.7000"):
        assert word in text


def test_every_scored_entry_has_a_receipt_that_the_validator_signed(
    undisturbed: Run, rounds: list[Json]
) -> None:
    for round_ in rounds:
        key = RoundKey(CompetitionId(round_["competition"]), Block(round_["sync_block"]))
        receipts = asyncio.run(read_receipts(undisturbed.state / "state.sqlite", key))
        documents = [json.loads(r.document) for r in receipts]
        scored = {e["hotkey"] for e in round_["entries"] if e["score"] is not None}
        assert {d["hotkey"] for d in documents} == scored
        for receipt in receipts:
            digest = sha256(receipt.document).hexdigest().encode()
            assert sp_core.verify(digest, receipt.signature, receipt.hotkey)
        for document in documents:
            assert document["manifest_digest"] == round_["manifest_digest"]


def audit(state: Path) -> tuple[int, dict[str, Json]]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sn37.app.main", "audit", "--json"),
            *("--network", "simnet", "--state-dir", str(state)),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
    )
    return done.returncode, json.loads(done.stdout)


def test_an_audit_says_when_there_is_nothing_to_show_signer_by_signer(undisturbed: Run) -> None:
    """Both crowns are the first of their competition, and nobody challenges them in the second
    round."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sn37.app.main", "audit", "--signers"),
            *("--network", "simnet", "--state-dir", str(undisturbed.state)),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
    )
    said, result = done.stdout.splitlines()
    assert said.startswith("no champion has a predecessor or a challenger to be compared with yet")
    assert said.endswith("that takes more rounds")
    assert "all follows" in result


def test_an_audit_derives_the_run_and_finds_one_changed_digit(
    undisturbed: Run, tmp_path: Path
) -> None:
    code, found = audit(undisturbed.state)
    assert (code, found["rounds"], found["differences"]) == (0, 4, [])
    assert found["receipts"] > 4
    maintenance.backup(undisturbed.state / "state.sqlite", tmp_path / "state.sqlite")
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as db, db:
        row, losses = db.execute("SELECT max(id), losses FROM journal").fetchone()
        changed = bytes((losses[0] ^ 1, *losses[1:]))  # the last bit of the first loss
        db.execute("UPDATE journal SET losses = ? WHERE id = ?", (changed, row))
    code, found = audit(tmp_path)
    assert code == 1
    assert any("receipt of" in d["where"] and "losses" in d["where"] for d in found["differences"])


def sn37(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sn37.app.main", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
    )


@pytest.fixture
def receipts(undisturbed: Run, tmp_path: Path) -> list[Path]:
    """Those of the first round, as they are published."""
    database, key = undisturbed.state / "state.sqlite", RoundKey(CompetitionId(1), Block(1800))
    files = []
    for number, receipt in enumerate(asyncio.run(read_receipts(database, key))):
        files.append(tmp_path / f"receipt-{number}")
        files[-1].write_bytes(publish(receipt))
    return files


def repository(undisturbed: Run, document: Mapping[str, Json]) -> Path:
    """The folder of the model that a receipt is of."""
    repos = undisturbed.state / "simnet" / "repos"
    return Path(repos, *document["repo"].split("/"), document["revision"])


def test_a_receipt_is_replayed_bit_for_bit_and_a_changed_digit_found(
    undisturbed: Run, receipts: list[Path], tmp_path: Path
) -> None:
    state = ("--network", "simnet", "--state-dir", str(undisturbed.state), "--json")
    done = sn37("replay", str(receipts[0]), *state)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["agreement"], found["signature"]) == ("equal", "valid")
    (task,) = found["tasks"].values()
    assert task["num_equal"] == task["num_samples"] >= 32

    published = json.loads(receipts[0].read_text())
    document = published["document"]
    (losses,) = document["losses"].values()
    true, losses[29] = losses[29], math.nextafter(losses[29], 99)
    (tmp_path / "changed").write_text(json.dumps(document))
    folder = repository(undisturbed, document)
    done = sn37("replay", str(tmp_path / "changed"), "--model", str(folder), *state)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["signature"].startswith("none")
    assert (found["first_difference"]["position"], found["first_difference"]["rescored"]) == (
        29,
        true,
    )
    assert found["first_beyond_tolerance"] is None


def test_what_a_replay_lacks_is_one_line(
    undisturbed: Run, receipts: list[Path], tmp_path: Path
) -> None:
    state = ("--network", "simnet", "--state-dir", str(undisturbed.state))
    document = json.loads(receipts[0].read_text())["document"]
    other = json.loads(receipts[1].read_text())["document"]
    row = next(iter(document["manifest"].values()))[0][0]
    rows = [{"row_id": row, "prompt": "another", "reference": "text"}]
    (tmp_path / "texts").write_text(json.dumps(rows))
    folder = repository(undisturbed, other)
    for words, told in (
        (("--texts", str(tmp_path / "texts")), f"missing or have changed since: {row}"),
        (("--seed", "1"), "on simnet its --seed"),
        (("--model", str(folder)), f"the model has weights {other['tensor_digest']}"),
    ):
        done = sn37("replay", str(receipts[0]), *state, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert told in done.stderr
        assert done.stderr.count("\n") == 1


async def read_receipts(path: Path, key: RoundKey) -> tuple[SignedReceipt, ...]:
    """From a copy: a store is its file's only one, and tests beside this one read it too."""
    with tempfile.TemporaryDirectory() as folder:
        maintenance.backup(path, Path(folder, "copy.sqlite"))
        store = SqliteStateStore(Path(folder, "copy.sqlite"))
        try:
            return await store.receipts(key)
        finally:
            await store.close()


def test_a_finished_run_shows_its_report_again_without_scoring(undisturbed: Run) -> None:
    report, scored = undisturbed.report.read_bytes(), undisturbed.told().count("BlockScored")
    undisturbed.finish()
    assert undisturbed.report.read_bytes() == report
    assert undisturbed.told().count("BlockScored") == scored
