"""The one table of methods."""

from __future__ import annotations

import pytest

from sn37.domain.schedule.methods import (
    LossUnit,
    Method,
    complete,
)


@pytest.mark.parametrize("method", Method)
def test_a_method_without_a_row_is_an_error(method: Method) -> None:
    rows = {other: other.traits for other in Method}
    assert complete(rows) == rows
    del rows[method]
    with pytest.raises(LookupError, match=f"no row for {method}$"):
        complete(rows)


@pytest.mark.parametrize("method", Method)
def test_only_the_loss_of_a_given_text_is_treated_as_one(method: Method) -> None:
    """A control is scored like a sample; floor, screen and training are about a text's loss."""
    traits = method.traits
    if traits.given_text is None:
        as_text = (traits.has_controls, traits.has_floor, traits.is_screened, traits.is_learnable)
        assert not any(as_text)
    else:
        assert traits.unit is LossUnit.TEXT
        assert traits.has_controls
        assert traits.has_floor
