"""Meaning of a base model's licence for a miner that publishes a model made from it.

This is a hint, not legal advice. The identifiers are from Hugging Face's model cards, written
by the uploader of the model. Miners are paid for the models they publish. So a licence that
excludes commercial use forbids it, and so does one that excludes modified copies.
"""

from __future__ import annotations

import re
from enum import StrEnum

# https://huggingface.co/docs/hub/repositories-licenses, except those with special terms.
_OPEN = frozenset(
    {
        *("afl-3.0", "apache-2.0", "artistic-2.0", "bsd", "bsd-2-clause", "bsd-3-clause"),
        *("bsd-3-clause-clear", "bsl-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0"),
        *("cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "ecl-2.0", "isc", "mit"),
        *("ms-pl", "ncsa", "odc-by", "openmdw-1.0", "pddl", "postgresql", "unlicense", "wtfpl"),
        "zlib",
    }
)
# Creative Commons' "nc" and "nd" as parts of a name, and licences for research only.
_FORBIDDING = re.compile(
    r"(?:^|-)(?:nc|nd)(?:-|$)|non-?commercial|no-?derivative|research"
    r"|^(?:apple-amlr|c-uda|deepfloyd-if-license|lgpl-lr)$",
)
_README_LICENCE = re.compile(r"""^license:\s*["']?([^\s"'#]+)""", re.MULTILINE)


class Terms(StrEnum):
    """Class of a licence."""

    OPEN = "open"  # modified copies may be published and sold
    FORBIDDING = "forbidding"  # they may not
    UNKNOWN = "unknown"  # no licence is named, or one with its own terms


def terms_of(licence: str | None) -> Terms:
    """Return the class of a model card's licence identifier; its case does not matter."""
    name = (licence or "").strip().lower()
    if name in _OPEN:
        return Terms.OPEN
    return Terms.FORBIDDING if _FORBIDDING.search(name) else Terms.UNKNOWN


def licence_in_readme(text: str) -> str | None:
    """Return the identifier in the header of a model card, between two lines of dashes."""
    if not text.startswith("---"):
        return None
    header, _, _ = text.removeprefix("---").partition("\n---")
    found = _README_LICENCE.search(header)
    return None if found is None else found[1]
