"""What the hub says of this machine's token, asked through huggingface_hub's own session."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from sn37.adapters.hub.account import ask_hub
from sn37.adapters.hub.transfer_messages import Connection
from sn37.adapters.system.clock import SystemClock
from sn37.ports.errors import PortError, StoreUnavailable
from sn37.testing.fakes import FakeClock
from tests.integration.hub.hub_faults import Fault
from tests.integration.hub.hub_state import Hub

WHOAMI = "/api/whoami-v2"


def connection(hub: Hub, token: str | None = "hf_mine") -> Connection:
    return Connection(endpoint=hub.url, token=token, pause_s=0.01)


async def test_a_token_that_is_accepted_names_its_owner_and_the_clocks_agree(hub: Hub) -> None:
    hub.tokens["hf_mine"] = "me"
    found = await ask_hub(SystemClock(), connection(hub))
    assert (found.endpoint, found.has_token, found.user) == (hub.url, True, "me")
    assert found.skew_s is not None
    assert abs(found.skew_s) < 5
    assert 0 < found.answered_s < 30


async def test_a_token_that_is_refused_has_no_owner(hub: Hub) -> None:
    found = await ask_hub(SystemClock(), connection(hub))
    assert (found.has_token, found.user) == (True, None)
    assert found.skew_s is not None


async def test_a_machine_without_a_token_reaches_the_hub_all_the_same(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    found = await ask_hub(SystemClock(), connection(hub, token=None))
    assert (found.has_token, found.user) == (False, None)


async def test_a_clock_that_is_wrong_is_measured_against_the_hub_s(hub: Hub) -> None:
    found = await ask_hub(FakeClock(), connection(hub))
    behind = SystemClock().now() - FakeClock().now()
    assert found.skew_s is not None
    assert abs(timedelta(seconds=found.skew_s) + behind) < timedelta(seconds=60)


async def test_the_token_is_in_no_answer_and_no_error(hub: Hub) -> None:
    assert "hf_mine" not in repr(await ask_hub(SystemClock(), connection(hub)))
    hub.faults.append(Fault(path=WHOAMI, times=9, drop=True))
    with pytest.raises(StoreUnavailable) as caught:
        await ask_hub(SystemClock(), connection(hub))
    assert "hf_mine" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path=WHOAMI, times=9, drop=True),
        Fault(path=WHOAMI, times=9, status=503),
        Fault(path=WHOAMI, times=9, status=404),
        Fault(path=WHOAMI, times=9, body=b"<html>"),
        Fault(path=WHOAMI, times=9, body=b"[]"),
        Fault(path=WHOAMI, times=9, body=json.dumps({"name": "x" * (2 << 20)}).encode()),
        Fault(path=WHOAMI, times=9, cut_after=5),
    ],
    ids=["dropped", "503", "404", "html", "list", "endless", "cut"],
)
async def test_any_other_answer_is_a_hub_that_cannot_be_used(hub: Hub, fault: Fault) -> None:
    hub.tokens["hf_mine"] = "me"
    hub.faults.append(fault)
    with pytest.raises(PortError):
        await ask_hub(SystemClock(), connection(hub))


async def test_a_hub_that_does_not_answer_is_given_up_in_time(hub: Hub) -> None:
    hub.faults.append(Fault(path=WHOAMI, times=9, delay_s=20))
    with pytest.raises(StoreUnavailable, match="too slow"):
        await ask_hub(SystemClock(), connection(hub), timeout_s=2)
