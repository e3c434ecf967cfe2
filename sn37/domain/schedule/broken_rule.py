"""Error of a schedule's values that names the keys to change."""

from __future__ import annotations


class BrokenRule(ValueError):
    """A value of a schedule breaks a rule.

    Args:
        keys: Keys of the file that may be at fault, the likeliest first. A file may lack some of
            them, because they have defaults.
    """

    def __init__(self, why: str, *keys: str) -> None:
        super().__init__(why)
        self.keys = keys
