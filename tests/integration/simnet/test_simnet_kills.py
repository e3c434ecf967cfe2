"""A validator that is killed over and over ends as one that nobody disturbed.

Moments are drawn anew every time; ``make soak`` draws 200.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import pytest

from tests.integration.simnet.killing import (
    FAKE,
    WORKER,
    Json,
    Run,
    kill_randomly,
    leftovers,
    outcome,
    scored_twice,
    set_up_seconds,
    with_population,
)

FIRST_ROUND = 1_800  # its sync block


@pytest.fixture
def seed() -> int:
    """Shown with a failure; put it here to see that one again."""
    drawn = secrets.randbelow(2**32)
    sys.stdout.write(f"moments drawn with seed {drawn}\n")
    return drawn


@pytest.fixture
def population(undisturbed: Run) -> Path:
    return undisturbed.state / "simnet" / "population"


@pytest.mark.fault("SIGKILL", "set-up")
@pytest.mark.fault("SIGKILL", "freeze")
@pytest.mark.fault("SIGKILL", "fetch")
@pytest.mark.fault("SIGKILL", "opening")
@pytest.mark.fault("SIGKILL", "evaluation")
@pytest.mark.fault("SIGKILL", "receipts")
@pytest.mark.fault("SIGKILL", "weights")
def test_killed_at_twenty_random_moments_a_run_ends_as_if_nothing_had_happened(
    tmp_path: Path, population: Path, seed: int
) -> None:
    calm, killed = (
        Run(module=FAKE, root=with_population(tmp_path / name, population), rounds=2)
        for name in ("calm", "killed")
    )
    calm.finish()
    hits = kill_randomly(
        killed,
        kills=20,
        told=calm.told(),
        set_up_s=set_up_seconds(calm),
        seed=seed,
    )
    killed.finish()
    assert hits >= 18, "few moments came after the end"
    expected, found = outcome(calm), outcome(killed)
    for name, value in expected.items():
        assert found[name] == value, f"{name} differ"
    assert len(found["on_chain"]) == 2, "weights are sent once a round"
    assert list(scored_twice(killed)) == []
    assert leftovers(killed) == []


def test_workers_die_with_their_validator_and_their_round_goes_on_at_the_next_block(
    tmp_path: Path, undisturbed: Run, population: Path, seed: int
) -> None:
    """The same with the real worker, for one round."""
    killed = Run(module=WORKER, root=with_population(tmp_path / "killed", population), rounds=1)
    told = [kind for kind in undisturbed.told() if kind != "SetUpAdvanced"]
    told = told[: told.index("WeightsSubmitted")]
    kill_randomly(killed, kills=4, told=told, set_up_s=2.0, seed=seed, phases=False)
    killed.finish()
    assert first_round(outcome(killed)) == first_round(outcome(undisturbed))
    assert list(scored_twice(killed)) == []
    assert leftovers(killed) == []


def first_round(found: dict[str, Json]) -> Json:
    """What a run came to after its first round of each competition."""
    return {
        "report": [r for r in found["report"] if r["sync_block"] == FIRST_ROUND],
        "receipts": [r for r in found["receipts"] if r[1] == FIRST_ROUND],
        "losses": [r for r in found["losses"] if r[1] == FIRST_ROUND],
        "on_chain": found["on_chain"][:1],
    }
