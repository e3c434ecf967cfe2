"""Text of strangers on one line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sn37.domain.printable import LONGEST_LINE, one_line, printable


@given(st.text(max_size=400), st.integers(min_value=0, max_value=350))
def test_any_text_becomes_one_short_printable_line(text: str, longest: int) -> None:
    line = one_line(text, longest)
    assert line.isprintable()
    assert len(line) <= longest


def test_white_space_and_line_breaks_become_single_spaces() -> None:
    assert one_line(" two\n\twords \r\n") == "two words"


def test_control_sequences_are_replaced_and_lengths_are_kept() -> None:
    assert printable("\x1b[31mred\n") == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"


def test_a_long_text_is_cut() -> None:
    assert one_line("a" * 1000) == "a" * LONGEST_LINE
