"""The Python module for miners: what stays as it is, and how it fails."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect

import pytest

from sn37.app import api
from sn37.app.api import sync

SIGNATURES = {
    "settings": "(**flags)",
    "competitions": "(settings, *, at=None)",
    "bases": "(settings, *, competition)",
    "fetch_base": "(settings, source, *, competition, to)",
    "train": "(settings, config, *, progress=None)",
    "check": (
        "(settings, model, *, competition, at=None, tokenizer=None, weights=True, loading=True)"
    ),
    "evaluate": (
        "(settings, model, *, competition, at=None, tokenizer=None, trained=None, told=...)"
    ),
    "publish": (
        "(settings, folder, repo, *, competition, dry_run=False, replace_champion=False, "
        "sealed_for=None, tokenizer=None, loading=True, wait=True, tell=..., waiting=...)"
    ),
    "status": "(settings, hotkey=None)",
}
ERRORS = (
    *("CommandError", "ModelNotPublic", "ModelRejected", "PortError", "Rejected"),
    *("Unavailable", "UsageError"),
)
# What is returned, and the fields and properties that programs read.
VALUES = {
    "Base": "artifact folder licence model origin terms",
    "Checked": "artifact refusal rows",
    "Choice": "licence model source what",
    "Competition": (
        "answer_budgets base_model constraints delay_blocks epsilon floor id name reward_share "
        "stop tasks template timeout_s tokenizer"
    ),
    "Evaluation": (
        "artifact block duel finding first_round num_left_out num_samples period refusal rules "
        "same_as score scoring_s tasks"
    ),
    "MinerStatus": (
        "commitment first_round head hotkey incentive judgement malformed public recorded "
        "sealed_at stage time uid"
    ),
    "PublishReport": "artifact hotkey preview published rules",
    "Trained": "base_score evaluations folder score step tensor_digest",
}


def shape(function: object) -> str:
    """Names, order, kinds and defaults; of a callable that there is one."""
    assert callable(function)
    signature = inspect.signature(function)
    parameters = [
        p.replace(annotation=p.empty, default=... if inspect.isfunction(p.default) else p.default)
        for p in signature.parameters.values()
    ]
    text = str(inspect.Signature(parameters))
    return text.replace("Ellipsis", "...")


def test_names_and_arguments_stay_as_they_are() -> None:
    assert {name: shape(getattr(api, name)) for name in SIGNATURES} == SIGNATURES
    assert sorted((*SIGNATURES, *ERRORS, *VALUES, "Progress", "Settings")) == sorted(api.__all__)


def test_values_keep_their_fields() -> None:
    found = {}
    for name in VALUES:
        value = getattr(api, name)
        fields = {field.name for field in dataclasses.fields(value)}
        fields |= {key for key, v in vars(value).items() if isinstance(v, property)}
        found[name] = " ".join(sorted(fields))
    assert found == VALUES


def test_every_coroutine_has_a_twin_with_the_same_arguments() -> None:
    coroutines = [n for n in api.__all__ if inspect.iscoroutinefunction(getattr(api, n))]
    assert sorted(coroutines) == sorted(sync.__all__)
    for name in coroutines:
        twin = getattr(sync, name)
        assert not inspect.iscoroutinefunction(inspect.unwrap(twin, stop=lambda _: True))
        assert shape(twin) == SIGNATURES[name]
        assert inspect.getdoc(twin) == inspect.getdoc(getattr(api, name))


def test_every_error_is_in_the_tree_of_the_documentation() -> None:
    assert api.__doc__
    assert [name for name in ERRORS if name not in api.__doc__] == []


def test_both_forms_give_the_same() -> None:
    settings = api.settings(network="simnet")
    found = sync.competitions(settings)
    assert found == asyncio.run(api.competitions(settings))
    assert [c.name for c in found] == ["SIMNET_INSTRUCT", "SIMNET_FREE"]
    assert [c.tasks[0].num_samples for c in sync.competitions(settings, at=0)] == [320, 320]


async def test_inside_an_event_loop_the_other_form_is_named() -> None:
    with pytest.raises(api.UsageError, match=r"await sn37\.app\.api\.competitions instead"):
        sync.competitions(api.settings(network="simnet"))


def test_what_is_wrong_is_one_line() -> None:
    settings = api.settings(network="simnet")
    with pytest.raises(api.UsageError, match=r"competition 9: .* its competitions: 1, 2"):
        sync.check(settings, ".", competition=9)
    with pytest.raises(api.UsageError, match="nowhere: no such folder"):
        sync.evaluate(settings, "nowhere", competition=1)
    with pytest.raises(api.UsageError, match="'5F' is not a hotkey's address"):
        sync.status(settings, "5F")
    with pytest.raises(api.UsageError, match="expected a folder"):
        sync.evaluate(settings, "uid:7", competition=1)
    with pytest.raises(api.UsageError, match=r"nowhere\.toml"):
        sync.train(settings, "nowhere.toml")
    with pytest.raises(api.UsageError, match="netuid"):
        api.settings(network="simnet", netuid="many")
    with pytest.raises(api.UsageError, match="netwrok"):
        api.settings(netwrok="simnet")
