"""How a starting point is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from sn37.app.errors import UsageError
from sn37.app.mining.base_sources import Local, Named, Published, Source, Standing, source_of
from sn37.domain.ids import Hotkey, Uid

ADDRESS = "5FtFwD2Rkw78fut63iFE43ahSH6Twmv8zBUr2H5PVdqdmCVm"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("champion", Standing.CHAMPION),
        ("subnet9", Standing.PRETRAINED),
        ("uid:0", Named(uid=Uid(0))),
        (f"hotkey:{ADDRESS}", Named(hotkey=Hotkey(ADDRESS))),
        (ADDRESS, Named(hotkey=Hotkey(ADDRESS))),
        ("alice/model@main", Published(repo="alice/model", name="main")),
    ],
)
def test_each_form_is_understood(text: str, source: Source) -> None:
    assert source_of(text) == source


def test_a_folder_that_is_there_is_one(tmp_path: Path) -> None:
    assert source_of(str(tmp_path)) == Local(folder=tmp_path)


@pytest.mark.parametrize("number", ["65536", "123456", "9" * 5_000])
def test_a_number_that_no_uid_can_be_is_told(number: str) -> None:
    with pytest.raises(UsageError) as caught:
        source_of(f"uid:{number}")
    assert str(caught.value) == f"uid:{number[:20]}: expected a uid from 0 to 65535"


@pytest.mark.parametrize("text", ["", "nowhere", "a/b", "a/b@c@d"])
def test_anything_else_is_told_the_forms(text: str) -> None:
    with pytest.raises(UsageError, match="expected champion, subnet9"):
        source_of(text if text else "nothing")


@pytest.mark.parametrize(
    ("text", "form"),
    [("uid:x", "uid:NUMBER"), ("uid:", "uid:NUMBER"), ("hotkey:5Ab", "hotkey:ADDRESS, 48 char")],
)
def test_a_wrong_uid_or_address_is_told_its_form(text: str, form: str) -> None:
    with pytest.raises(UsageError, match=f"^{text}: expected {form}"):
        source_of(text)
