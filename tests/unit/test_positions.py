"""Positions of a model, from the headers of its weights."""

from __future__ import annotations

import pytest

from sn37.adapters.admission.header import Header, TensorSpan
from sn37.adapters.admission.positions import positions_of
from sn37.app.mining.admission_check import window_note
from sn37.domain.schedule.competition import TokenizerRef
from sn37.testing.builders.competitions import a_competition
from sn37.testing.builders.models import some_constraints


def a_header(**shapes: tuple[int, ...]) -> Header:
    return Header(
        tensors=tuple(
            TensorSpan(name=name.replace("__", "."), dtype="BF16", shape=shape, begin=0, end=0)
            for name, shape in shapes.items()
        )
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([a_header(model__embed_tokens__weight=(384, 64), wpe=(7,))], None),
        ([a_header(transformer__wpe__weight=(1024, 64))], 1024),
        ([a_header(wpe__weight=(512, 64), transformer__wte__weight=(9, 64))], 512),
        ([a_header(model__decoder__embed_positions__weight=(1026, 64))], 1024),
        ([a_header(a__embed_positions__weight=(66, 8)), a_header(a__wpe__weight=(32, 8))], 32),
        ([a_header(a__embed_positions__weight=(1, 8))], 0),
        ([a_header(a__wpe__weight=())], None),
        ([a_header(a__wpe__bias=(32,))], None),
    ],
)
def test_t48_the_shortest_table_says_how_far_a_model_reaches(
    headers: list[Header], expected: int | None
) -> None:
    assert positions_of(headers) == expected


def test_t48_only_a_table_shorter_than_the_window_is_worth_a_word() -> None:
    rules = a_competition(tokenizer=None, constraints=some_constraints(max_tokens=100))
    assert window_note(None, rules) == window_note(100, rules) == ""
    assert "8 bits a byte" in window_note(99, rules)
    nats = a_competition(
        tokenizer=TokenizerRef(repo="a/b", revision="main"),
        constraints=some_constraints(max_tokens=100),
    )
    assert "uniform" in window_note(99, nats)
