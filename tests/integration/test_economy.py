"""Who earns what, at reduced size, seeded; ``sn37 simulate economy`` has it in full.

Income per dollar is held against that of honest owners who spend about as much. Those who train
nothing must earn less; those who train as honest owners do, and play tricks besides, must not earn
more beyond the interval over runs. Merging and perturbing are true progress: they take part where
thieves are held against honest owners once more, and are judged by nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import pytest

from sn37.app.simulate.economy import Run, line_of, play, runs
from sn37.app.simulate.market import Rules
from sn37.app.simulate.quick_network import Drawn, QuickNetwork
from sn37.app.simulate.tallies import Indices
from sn37.domain.ids import Block, EntryKey
from sn37.domain.round.contender_places import MAX_CONTENDERS
from sn37.domain.round.contention import Candidates
from sn37.domain.round.round_entries import Contention, precedence_of

THIEVES = ("copier", "farm", "attendee", "gambler", "rotator")
TRICKS = ("cartel", "abdicator", "spammer")
PROGRESS = ("merger", "perturber")
ROWS = ("known-rows", "colluding-rows", "odd-rows")


class ByRank(QuickNetwork):
    """As the first rule: the places of contenders go by rank alone, to no replaced entry, and
    nobody waits for who is not in the round."""

    __slots__ = ()

    def _contend(self, found: Candidates) -> Contention:
        king = found.former.commitment.key
        rows = [
            (measured.sums.ratio, precedence_of(s), s.commitment.key)
            for s in found.current
            if (
                measured := self.tally.of_two(king, s.commitment.key, s.clock_block)
            ).sums.num_samples
        ]
        best = sorted(rows)[:MAX_CONTENDERS]
        return Contention(former=king, contenders=tuple(key for *_, key in best))


class Unsigned(QuickNetwork):
    """As before signers were looked at: nobody is taken to have signed any row."""

    __slots__ = ()

    def play_drawn(
        self,
        sync: Block,
        drawn: Drawn,
        *,
        private: Collection[EntryKey] = (),
        signers: Indices | None = None,
    ) -> EntryKey | None:
        return QuickNetwork.play_drawn(self, sync, drawn, private=private)


@cache
def played(strategies: tuple[str, ...], *, rounds: int, num_runs: int) -> list[Run]:
    return runs(
        Rules(), strategies, rounds=rounds, num_runs=num_runs, seed=0, progress=lambda *_: None
    )


def per_cost(found: list[Run], name: str) -> float:
    """Of all runs together."""
    accounts = [run.accounts[name] for run in found]
    return sum(a.income for a in accounts) / sum(a.cost for a in accounts)


@pytest.mark.parametrize("name", THIEVES)
def test_whoever_trains_nothing_earns_less_than_honest_work_of_its_cost(name: str) -> None:
    found = played(THIEVES, rounds=300, num_runs=2)
    assert per_cost(found, name) < per_cost(found, "medium")
    assert line_of(name, found, 300).relative.value < 1


@pytest.mark.parametrize("name", TRICKS)
def test_tricks_of_owners_who_train_earn_no_more_than_training_alone(name: str) -> None:
    found = line_of(name, played(TRICKS, rounds=200, num_runs=3), 200)
    assert found.over_twin.low is not None
    assert found.over_twin.low < 0


@pytest.mark.parametrize("name", ROWS)
def test_signed_rows_that_a_friend_knows_earn_no_more_than_training_alone(name: str) -> None:
    found = line_of(name, played(ROWS, rounds=200, num_runs=3), 200)
    assert found.over_twin.low is not None
    assert found.over_twin.low < 0


def test_beside_merger_and_perturber_a_farm_of_clones_earns_less_than_honest_work() -> None:
    """Their models come every day: originals to be cloned while nothing is proven yet."""
    found = played(("farm", *PROGRESS), rounds=300, num_runs=4)
    assert per_cost(found, "farm") < per_cost(found, "medium")


def test_beside_merger_and_perturber_rows_that_a_friend_knows_earn_no_more_than_training() -> None:
    """Their models inherit what the friend's model knows, and so differ from it by little."""
    found = line_of("known-rows", played(("known-rows", *PROGRESS), rounds=300, num_runs=4), 300)
    assert found.over_twin.low is not None
    assert found.over_twin.low < 0


def test_without_a_look_at_signers_known_rows_earn_more_than_training_alone() -> None:
    """What is measured above can fail."""
    broken = Rules(network=Unsigned)
    found = [play(broken, ("known-rows", *PROGRESS), rounds=300, seed=seed) for seed in range(2)]
    assert per_cost(found, "known-rows") > 2 * per_cost(found, "medium")


@pytest.mark.parametrize("beside", [(), PROGRESS])
def test_with_places_by_rank_alone_a_farm_of_clones_earns_more_than_honest_work(
    beside: tuple[str, ...],
) -> None:
    """What is measured above can fail."""
    broken = Rules(network=ByRank)
    found = [play(broken, ("farm", *beside), rounds=300, seed=seed) for seed in range(3)]
    assert per_cost(found, "farm") > 1.2 * per_cost(found, "medium")
