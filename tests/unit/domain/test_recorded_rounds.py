"""What is recorded of a round."""

from __future__ import annotations

from sn37.domain.reasons import Reason
from sn37.testing.builders import a_round_result, an_entry_key


def test_the_winner_of_a_round_is_its_champions_hotkey() -> None:
    assert a_round_result(champion=an_entry_key("alice")).winner == "alice"


def test_a_round_sat_out_without_a_champion_has_no_winner() -> None:
    assert a_round_result(skipped=Reason.DATA_UNAVAILABLE).winner is None
