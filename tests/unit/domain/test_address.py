"""Addresses of Bittensor, told from mistyped ones."""

from __future__ import annotations

import pytest

from sn37.domain.address import is_address

ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"  # of Substrate's development key
BURN = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"


@pytest.mark.parametrize("address", [ALICE, BURN])
def test_a_known_address_is_one(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize("place", range(len(ALICE)))
def test_an_address_with_one_other_character_is_refused(place: int) -> None:
    other = "x" if ALICE[place] != "x" else "y"
    assert not is_address(f"{ALICE[:place]}{other}{ALICE[place + 1 :]}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        ALICE[:-1],
        f"{ALICE}Y",
        ALICE.replace("5", "0", 1),  # not a character of base58
        "z" * 48,  # more than 35 bytes
        "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5",  # of Polkadot, prefix 0
    ],
)
def test_another_text_is_refused(text: str) -> None:
    assert not is_address(text)
