"""A plug-in's parameters come from the schedule; a wrong one is told in one clear line."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field, model_validator

from sn37.dataset_plugin import LivePlugin, NoParameters, Parameters, StaticPlugin
from sn37.domain.schedule.competition import Freshness, ParameterValue
from sn37.testing.dataset_contract import DatasetPluginContract
from sn37.testing.fakes import FakeLiveDataset, FakeStaticDataset

ALL = (
    "url (string, matching ^https://); pages (integer, at least 1, at most 9, default 3); "
    "kind (one of a b, default a); tasks (array, default [])"
)


class Settings(Parameters):
    url: str = Field(pattern="^https://")
    pages: int = Field(default=3, ge=1, le=9)
    kind: Literal["a", "b"] = "a"
    tasks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> Settings:
        if self.kind == "b" and self.pages > 5:
            raise ValueError("kind b has no more than 5 pages")
        return self


PLUGIN = LivePlugin(
    name="feed", parameters=Settings, connect=lambda settings: FakeLiveDataset(rows=[])
)
URL: dict[str, ParameterValue] = {"url": "https://a"}


class TestLivePlugin(DatasetPluginContract):
    def plugin(self) -> LivePlugin[Settings]:
        return PLUGIN

    def parameters(self) -> dict[str, ParameterValue]:
        return {**URL, "tasks": ("x", "y")}

    def wrong_parameters(self) -> dict[str, dict[str, ParameterValue]]:
        return {"url": {}, "pages": {**URL, "pages": 10}, "kind": {**URL, "kind": "c"}}


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, "source feed: parameter url is missing; it is url (string, matching ^https://)"),
        ({**URL, "page": 1}, f"source feed: unknown parameter page; it takes {ALL}"),
        (
            {**URL, "pages": 0},
            "source feed: parameter pages is 0: expected at least 1; "
            "it takes pages (integer, at least 1, at most 9, default 3)",
        ),
        (
            {**URL, "pages": "3"},
            "source feed: parameter pages is '3': expected a whole number; "
            "it takes pages (integer, at least 1, at most 9, default 3)",
        ),
        (
            {**URL, "kind": "z" * 99},
            f"source feed: parameter kind is '{'z' * 56}...: expected 'a' or 'b'; "
            "it takes kind (one of a b, default a)",
        ),
        (
            {**URL, "tasks": ("a", 1)},
            "source feed: parameter tasks.1 is 1: expected text; "
            "it takes tasks (array, default [])",
        ),
        ({**URL, "kind": "b", "pages": 6}, "source feed: kind b has no more than 5 pages"),
    ],
)
def test_a_wrong_parameter_is_told_with_its_source_and_what_it_takes(
    parameters: dict[str, ParameterValue], told: str
) -> None:
    with pytest.raises(ValueError, match=r"^source feed: ") as caught:
        PLUGIN.open(parameters)
    assert str(caught.value) == told


def test_a_source_without_parameters_says_so() -> None:
    plugin = StaticPlugin(
        name="rows", parameters=NoParameters, connect=lambda _: FakeStaticDataset()
    )
    assert plugin.freshness is Freshness.NONE
    assert isinstance(plugin.open({}), FakeStaticDataset)
    with pytest.raises(ValueError, match="source rows: unknown parameter size; it takes none"):
        plugin.open({"size": 3})
