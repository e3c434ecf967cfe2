"""An audit of recorded rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sn37.app.audit.auditor import Auditor, AuditResult
from sn37.domain.ids import Digest
from sn37.domain.round.winner import KingOfTheHill
from sn37.domain.schedule.schedule import Schedule
from sn37.testing.fakes import FakeStateStore
from sn37.testing.fakes.state_store import Memory
from tests.support.fake_world import is_signed_by_fake, one_competition


def audit(
    memory: Memory,
    schedule: Schedule | None = None,
    fingerprint: str = "f",
    *,
    by_signer: bool = False,
    told: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> AuditResult:
    auditor = Auditor(
        store=FakeStateStore(memory=memory),
        schedule=schedule or one_competition(),
        fingerprint=Digest(fingerprint * 64),
        rule=KingOfTheHill(),
        verify=is_signed_by_fake,
    )
    return asyncio.run(auditor.run(by_signer=by_signer, told=told))
