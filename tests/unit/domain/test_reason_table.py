"""The table of reason codes."""

from __future__ import annotations

import pytest

from sn37.domain.reasons import MEANINGS, Blame, Reason


@pytest.mark.parametrize("reason", Reason)
def test_every_code_has_a_meaning_of_one_line_without_a_final_period(reason: Reason) -> None:
    assert reason.meaning == MEANINGS[reason]
    assert reason.meaning
    assert "\n" not in reason.meaning
    assert not reason.meaning.endswith(".")


@pytest.mark.parametrize("reason", Reason)
def test_every_meaning_ends_with_what_to_do(reason: Reason) -> None:
    what, separator, remedy = reason.meaning.partition("; ")
    assert separator
    assert what
    assert remedy == reason.remedy
    assert ";" not in remedy


def test_codes_are_their_names_in_lower_case() -> None:
    assert all(reason.value == reason.name.lower() for reason in Reason)
    assert len(MEANINGS) == len(Reason)


def test_our_outages_are_never_the_miners_fault() -> None:
    ours = {reason for reason in Reason if reason.blame is Blame.OURS}
    assert ours == {
        Reason.HUB_UNAVAILABLE,
        Reason.DATA_UNAVAILABLE,
        Reason.DEVICE,
        Reason.DISK,
        Reason.OVERRUN,
        Reason.ABSENT,
        Reason.STALLED,
    }


def test_being_beaten_or_behind_others_is_nobodys_fault() -> None:
    nobody = {reason for reason in Reason if reason.blame is Blame.NOBODY}
    assert nobody == {Reason.RACED_OUT, Reason.QUEUED}


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.DIGEST_MISMATCH, Reason.NORM])
def test_the_others_are_for_the_miner_to_mend(reason: Reason) -> None:
    assert reason.blame is Blame.MINER
