"""JSON document of a release, whose hash is signed."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict, ValidationError

from sn37.adapters.admission.strict_json import StrictJsonError, parse_object
from sn37.domain.canonical import canonical_json, fields_as_json
from sn37.domain.ids import Digest
from sn37.domain.release.release import Release, ReleaseFile
from sn37.ports.errors import ReleaseRefused
from sn37.wrong_values import reason

FORMAT = 1
MAX_BYTES = 16 << 10

_Text = Annotated[str, Field(max_length=200)]
_Count = Annotated[int, Strict(), Field(ge=0, lt=1 << 53)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _File(_Table):
    name: _Text
    sha256: _Text
    size_bytes: _Count

    def value(self) -> ReleaseFile:
        return ReleaseFile(name=self.name, sha256=Digest(self.sha256), size_bytes=self.size_bytes)


class ReleaseDocument(_Table):
    """The fields of a release, and no others."""

    format: Literal[1]
    version: _Text
    version_key: _Count
    wheel: _File
    requirements: _File
    schema_version: _Count = Field(alias="schema")
    oldest_schema: _Count
    not_before: AwareDatetime
    expires_at: AwareDatetime

    def value(self) -> Release:
        return Release(
            version=self.version,
            version_key=self.version_key,
            wheel=self.wheel.value(),
            requirements=self.requirements.value(),
            schema=self.schema_version,
            oldest_schema=self.oldest_schema,
            not_before=self.not_before.astimezone(UTC),
            expires_at=self.expires_at.astimezone(UTC),
        )


def read_release(document: bytes) -> Release:
    """Return the release that a document describes.

    Raises:
        ReleaseRefused: The document has a later format, or a mistake of its signer.
    """
    try:
        given = parse_object(document)
        if given.get("format") != FORMAT:
            raise ReleaseRefused(
                f"the release document has format {str(given.get('format'))[:20]!a}, but this "
                f"program reads {FORMAT}; upgrade by hand, or first to a release in between"
            )
        return ReleaseDocument.model_validate(given).value()
    except StrictJsonError as error:
        raise ReleaseRefused(f"release document: {error}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise ReleaseRefused(f"release document, {place[:80]!a}: {reason(problem)}") from error
    except ValueError as error:
        raise ReleaseRefused(f"release document: {error}") from error


def document_name(version: str) -> str:
    """Return the name of the file that a document is published and signed under."""
    return f"sn37-{version}.release"


def write_release(release: Release) -> bytes:
    """Return the document of a release, in one line."""
    return canonical_json({"format": FORMAT, **fields_as_json(release)})
