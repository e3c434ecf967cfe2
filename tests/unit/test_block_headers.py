"""A block's hash by its header, and the order of commitments in its body."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.subtensor.blocks import commit_positions, header_hash
from sn37.adapters.subtensor.decoding import some_bytes, without_length
from sn37.domain.ids import Netuid

SUBNET = Netuid(37)

# Block 7,959,398 of finney.
HASH = "0x285030433d9d0d1672e20c78364a3433fa2eba068802746fd649c82fa0cbc22f"
HEADER: Mapping[str, object] = {
    "parentHash": "0x405f2513d88dc6474596098d9ebc5cbd6e7eeb2b6aa7fb2707a50291bb75c5ab",
    "number": 0x797366,
    "stateRoot": "0xc8348625c7697e35a4ea5a4065be47f1f3dcfe505bb9937e9fa667c27bbfbf39",
    "extrinsicsRoot": "0xdd9de92e8afd30ca38dcc0bc7dbd387da3ea2e0ea19d73fbc84ba499cb2d0e18",
    "digest": {
        "logs": [
            "0x0661757261206568d20800000000",
            "0x0466726f6e09020166eed711886cb6de6450fa003601cb09a464ab31307dca14185be3758025229a"
            "0cf28532ce701a063d5eb993d53778c928fb23f19287e379f588f7dbf1c3b5b214911892c00f7bcbd64"
            "61996380d58327b8ac002382fd96f579e7b47302e1d08ebbae657deb3e5a0540c0e31c04bdd3a6f984a"
            "d37764e603c894d2daf83791e1bf",
            "0x05617572610101e04ad685e803cebfe24eaa4bfd20cc179dffae48e96e3f29a95abca22ba465710f"
            "6c10dc4d2aa0d0427604bd7cd24224d5ea8a49e4999afd39d61e5fa8d67b8f",
        ]
    },
}


def a_call(module: str, function: str, **args: object) -> dict[str, object]:
    return {
        "call_module": module,
        "call_function": function,
        "call_args": [{"name": name, "value": value} for name, value in args.items()],
    }


COMMIT = a_call("Commitments", "set_commitment", netuid=37)


class TestHeaders:
    def test_a_block_of_finney_has_the_hash_the_network_gives_it(self) -> None:
        assert header_hash(HEADER) == HASH

    @pytest.mark.parametrize("part", list(HEADER))
    def test_without_a_part_there_is_no_hash(self, part: str) -> None:
        assert header_hash({k: v for k, v in HEADER.items() if k != part}) is None

    @pytest.mark.parametrize(
        ("part", "value"),
        [("number", "0x1"), ("number", -1), ("digest", []), ("stateRoot", 7), ("stateRoot", "zz")],
    )
    def test_a_part_of_another_shape_is_an_error_of_the_endpoint(
        self, part: str, value: object
    ) -> None:
        with pytest.raises((TypeError, ValueError)):
            header_hash({**HEADER, part: value})


class TestBodies:
    def test_the_last_call_of_a_hotkey_gives_its_place(self) -> None:
        body = [{"address": who, "call": COMMIT} for who in ("a", "b", "a")]
        assert commit_positions(body, SUBNET) == {"a": 2, "b": 1}

    def test_calls_on_other_subnets_and_other_calls_do_not_count(self) -> None:
        other = a_call("Commitments", "set_commitment", netuid=38)
        remark = a_call("System", "remark", remark="set_commitment")
        body = [{"address": "a", "call": call} for call in (other, remark)]
        assert commit_positions(body, SUBNET) == {}

    def test_a_batch_has_the_place_of_its_extrinsic(self) -> None:
        batch = a_call("Utility", "batch_all", calls=[a_call("System", "remark"), COMMIT])
        body = [None, {"address": {"Id": "a"}, "call": batch}]
        assert commit_positions(body, SUBNET) == {"a": 1}

    def test_a_proxy_speaks_for_whom_it_names(self) -> None:
        proxied = a_call("Proxy", "proxy", real={"Id": "a"}, call=COMMIT)
        assert commit_positions([{"address": "agent", "call": proxied}], SUBNET) == {"a": 0}

    def test_naming_a_rival_elsewhere_in_the_extrinsic_does_not_move_him(self) -> None:
        transfer = a_call("Balances", "transfer", dest={"Id": "rival"})
        batch = a_call("Utility", "batch", calls=[transfer, COMMIT])
        body = [{"address": "rival", "call": COMMIT}, {"address": "m", "call": batch}]
        assert commit_positions(body, SUBNET) == {"rival": 0, "m": 1}


class TestBytes:
    @given(st.binary(max_size=2000))
    def test_a_text_is_found_behind_its_length(self, data: bytes) -> None:
        length = len(data)
        prefix = bytes([length << 2]) if length < 64 else (length << 2 | 1).to_bytes(2, "little")
        assert without_length(prefix + data) == data

    @given(st.binary(max_size=200))
    def test_bytes_come_back_from_each_way_the_sdk_shows_them(self, data: bytes) -> None:
        assert some_bytes("0x" + data.hex()) == data
        assert some_bytes(list(data)) == data
        assert some_bytes(data) == data

    @given(st.text(max_size=40))
    def test_any_text_becomes_bytes(self, text: str) -> None:
        assert isinstance(some_bytes(text), bytes)
        assert isinstance(without_length(some_bytes(text)), bytes)
