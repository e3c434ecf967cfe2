"""What licences of base models mean for whoever publishes a model made from one."""

from __future__ import annotations

import pytest

from sn37.domain.submission.licences import Terms, licence_in_readme, terms_of


@pytest.mark.parametrize("name", ["apache-2.0", "MIT", " cc-by-4.0 ", "cc0-1.0"])
def test_open_licences_let_a_changed_copy_be_sold(name: str) -> None:
    assert terms_of(name) is Terms.OPEN


@pytest.mark.parametrize(
    "name",
    [
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "CC-BY-NC-SA-4.0",
        "fair-noncommercial-research-license",
        "intel-research",
        "apple-amlr",
        "my-non-commercial-license",
    ],
)
def test_licences_that_keep_commerce_or_changed_copies_out_are_known(name: str) -> None:
    assert terms_of(name) is Terms.FORBIDDING


@pytest.mark.parametrize("name", [None, "", "other", "llama3.1", "gemma", "openrail", "ncsb"])
def test_of_the_rest_nothing_is_said(name: str | None) -> None:
    assert terms_of(name) is Terms.UNKNOWN


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ("---\nlanguage: en\nlicense:  'cc-by-nc-4.0' # why\n---\n# A model", "cc-by-nc-4.0"),
        ("---\ntags:\n- a\n---\nlicense: mit\n", None),
        ("# A model\nlicense: mit\n", None),
        ("", None),
    ],
)
def test_a_model_card_names_its_licence_in_its_header(text: str, licence: str | None) -> None:
    assert licence_in_readme(text) == licence
