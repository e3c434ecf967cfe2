"""The line of every key, in every way TOML has of writing one."""

from __future__ import annotations

import pytest

from sn37.app.config.toml_lines import Path, key_lines, line_of

TEXT = '''\
# a comment with = and [brackets]
plain = 1
"quoted key" = "a # and a ] inside"   # outside
dotted . "two words" = [1,
  2, # ] not the end
]
literal = \'\'\'
[not.a.header]
no = "key"
\'\'\'
basic = """
escaped \\""" = quotes
[[neither]]"""

[table."sub.table"]
inline = { a = 1, b = [1, 2] }

[[stages]]
from_block = 1

[stages.shares]
a = 0.5

[[stages]]
from_block = 2
[[stages.tasks]]
name = "x"
[[stages.tasks]]
name = "y"
  indented = true'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("plain",), 2),
        (("quoted key",), 3),
        (("dotted", "two words"), 4),
        (("literal",), 7),
        (("basic",), 11),
        (("table", "sub.table"), 15),
        (("table", "sub.table", "inline"), 16),
        (("stages", 0), 18),
        (("stages", 0, "from_block"), 19),
        (("stages", 0, "shares"), 21),
        (("stages", 0, "shares", "a"), 22),
        (("stages", 1), 24),
        (("stages", 1, "from_block"), 25),
        (("stages", 1, "tasks", 0, "name"), 27),
        (("stages", 1, "tasks", 1, "name"), 29),
        (("stages", 1, "tasks", 1, "indented"), 30),
    ],
)
def test_every_header_and_key_has_its_line(path: Path, line: int) -> None:
    assert key_lines(TEXT)[path] == line


def test_what_stands_inside_a_text_is_no_key() -> None:
    lines = key_lines(TEXT)
    assert not {("no",), ("not", "a", "header"), ("escaped",), ("neither", 0)} & set(lines)
    assert len(lines) == 16 + 4  # those above, the two tables of tasks, and the two arrays


def test_a_key_inside_an_inline_table_is_found_at_the_key_around_it() -> None:
    assert line_of(key_lines(TEXT), ("table", "sub.table", "inline", "b", 1)) == 16


def test_a_key_that_is_missing_is_found_at_its_table() -> None:
    assert line_of(key_lines(TEXT), ("stages", 1, "tasks", 0, "weight")) == 26


def test_a_key_of_no_table_has_no_line() -> None:
    assert line_of(key_lines(TEXT), ("absent",)) is None


def test_windows_line_ends_count_once() -> None:
    assert key_lines("a = 1\r\n\r\n[b]\r\nc = 2\r\n") == {("a",): 1, ("b",): 3, ("b", "c"): 4}
