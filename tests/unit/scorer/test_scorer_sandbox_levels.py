"""What a host has to confine workers with, in values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.scoring.sandbox.layers import ESSENTIAL, LOSSES, Layer, Sandbox

sandboxes = st.builds(
    Sandbox, layers=st.frozensets(st.sampled_from(Layer)), landlock_abi=st.integers(0, 9)
)


@given(sandboxes)
def test_a_sandbox_arrives_as_sent(sandbox: Sandbox) -> None:
    assert Sandbox.decode(sandbox.encode()) == sandbox


@given(sandboxes)
def test_each_layer_is_either_there_or_missing(sandbox: Sandbox) -> None:
    assert {row.layer for row in sandbox.rows() if not row.present} == set(sandbox.missing)
    assert sandbox.layers | set(sandbox.missing) == set(Layer)


def test_t25_a_host_without_landlock_or_seccomp_is_weak_and_no_other() -> None:
    assert not Sandbox(layers=ESSENTIAL, landlock_abi=1).is_weak
    for layer in ESSENTIAL:
        assert Sandbox(layers=frozenset(Layer) - {layer}).is_weak


def test_the_label_names_the_layers_in_their_order() -> None:
    assert Sandbox(layers=frozenset(Layer), landlock_abi=6).label == (
        "user,pid,net,ipc,mount,capabilities,landlock6,seccomp"
    )
    assert Sandbox(layers=frozenset()).label == "none"


def test_every_layer_says_what_is_lost_without_it() -> None:
    assert set(LOSSES) == set(Layer)
