"""Lines of a check-up."""

from __future__ import annotations

import pytest

from sn37.domain.check_line import Check, Grade


def test_what_is_ok_needs_no_remedy() -> None:
    with pytest.raises(ValueError, match="clock is ok and must not have a remedy: set it"):
        Check(name="clock", grade=Grade.OK, detail="0.1 s off", remedy="set it")


@pytest.mark.parametrize("grade", [Grade.WARNING, Grade.FAILED])
def test_what_is_not_may_say_what_to_do(grade: Grade) -> None:
    assert Check(name="clock", grade=grade, detail="1 h off", remedy="set it").remedy == "set it"
