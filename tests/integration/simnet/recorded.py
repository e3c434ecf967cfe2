"""Records of validators on a shared simnet: published, audited, by signer."""

from __future__ import annotations

from pathlib import Path

from sn37.adapters.receipts.folder import write_round
from sn37.adapters.signatures import is_signed_by
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.app.audit.auditor import Auditor
from sn37.app.receipts.export import export_rounds
from sn37.app.schedule.load import load_schedule
from sn37.domain.round.winner import KingOfTheHill
from tests.integration.simnet.shared_simnet import SharedSimnet


async def publish(net: SharedSimnet, name: str, folder: Path) -> None:
    store = SqliteStateStore(net.root / name / "state.sqlite")
    try:
        await export_rounds(store, folder, write_round)
    finally:
        await store.close()


async def signers_of(net: SharedSimnet, name: str) -> dict[tuple[int, int], str]:
    store = SqliteStateStore(net.root / name / "state.sqlite")
    found: dict[tuple[int, int], str] = {}
    try:
        for competition, rounds in (await store.load()).rounds.items():
            for round_ in rounds:
                statement = await store.statement(round_.key)
                assert statement is not None
                signers = {r.hotkey for r in await store.receipts(round_.key)}
                assert signers == {statement.hotkey}
                found[competition, round_.key.sync_block] = statement.hotkey
    finally:
        await store.close()
    return found


async def audit(net: SharedSimnet, name: str) -> tuple[object, ...]:
    loaded = load_schedule("simnet")
    store = SqliteStateStore(net.root / name / "state.sqlite")
    try:
        auditor = Auditor(
            store=store,
            schedule=loaded.schedule,
            fingerprint=loaded.fingerprint,
            rule=KingOfTheHill(),
            verify=is_signed_by,
        )
        return (await auditor.run()).differences
    finally:
        await store.close()
