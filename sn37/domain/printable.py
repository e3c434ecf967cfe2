"""Untrusted text, made safe for terminals, files and tables."""

from __future__ import annotations

LONGEST_LINE = 300  # characters


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Return ``text`` on one printable line, cut to at most ``longest`` characters."""
    return printable(" ".join(text.split())[:longest])


def printable(text: str) -> str:
    """Return ``text`` with every unprintable character replaced, line breaks included."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
