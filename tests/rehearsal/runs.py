"""Runs of subnet 18's and subnet 1's validators on our own wandb, signed by their real keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.domain.canonical import JsonValue
from tests.integration.dataset import sn1_runs, sn18_runs
from tests.integration.dataset.wandb_server import HostedRun, Row, WandbHost
from tests.rehearsal import texts
from tests.support.substrate import a_keypair

NUM_SIGNERS = 6  # of each subnet, with enough stake; the schedule asks for 5
EVERY = timedelta(minutes=2)


def signers(netuid: int) -> tuple[HotkeySigner, ...]:
    """The validators of a subnet that the schedule trusts."""
    return tuple(HotkeySigner(a_keypair(f"{netuid}-{n}")) for n in range(NUM_SIGNERS))


def serve_runs(
    host: WandbHost, *, since: datetime, until: datetime, now: Callable[[], datetime]
) -> None:
    """Serve both projects with a run of each signer, which grows from ``since`` to the present.

    Args:
        until: No row is made after it.
        now: The chain's time.
    """
    count = int((until - since) / EVERY)
    growing: list[tuple[HostedRun, list[Row]]] = []

    def add(project: str, run_id: str, config: dict[str, JsonValue], rows: list[Row]) -> None:
        run = HostedRun(id=run_id, config=config, created_at=since - EVERY, heartbeat_at=until)
        host.projects.setdefault(project, []).append(run)
        growing.append((run, rows))

    for place, signer in enumerate(signers(18)):
        pairs = [_pair(place, n, since + n * EVERY) for n in range(count)]
        add(sn18_runs.PROJECT, f"eighteen-{place}", _of_sn18(place, signer), pairs)
    for place, signer in enumerate(signers(1)):
        questions = [_choice(place, n, since + n * EVERY) for n in range(count)]
        add(sn1_runs.PROJECT, f"one-{place}", _of_sn1(place, signer), questions)

    def grow(operation: str) -> None:
        written = max(0, int((now() - since) / EVERY))
        for run, rows in growing:
            run.rows = rows[:written]

    host.on_request = grow


def _of_sn18(place: int, signer: HotkeySigner) -> dict[str, JsonValue]:
    signature = signer.sign(f"eighteen-{place}".encode()).hex()
    return {"type": "validator", "hotkey": signer.hotkey, "signature": signature}


def _of_sn1(place: int, signer: HotkeySigner) -> dict[str, JsonValue]:
    signature = signer.sign(f"one-{place}".encode()).hex()
    return {"HOTKEY_SS58": signer.hotkey, "SIGNATURE": signature}


def _pair(signer: int, step: int, time: datetime) -> Row:
    number = _number(signer, step)
    pairs: dict[int, tuple[JsonValue, JsonValue]] = {
        7: (texts.question(number), texts.answer(number))
    }
    return sn18_runs.a_row(step, time, pairs)


def _choice(signer: int, step: int, time: datetime) -> Row:
    challenge, reference = texts.choices(_number(signer, step) + 100_000)
    return sn1_runs.a_row(step, time, challenge=challenge, reference=reference)


def _number(signer: int, step: int) -> int:
    """No two rows have the same text."""
    return step * NUM_SIGNERS + signer
