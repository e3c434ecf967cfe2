"""Commitments, submissions and samples as JSON and back.

Every field is named here explicitly and not derived from the classes, so that a changed class
without a migration fails in the tests and not with an operator's database.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath

from sn37.adapters.sqlite.json_values import (
    optional,
    to_bool,
    to_int,
    to_list,
    to_record,
    to_str,
)
from sn37.domain.canonical import JsonValue
from sn37.domain.data.samples import Pool, Provenance, Sample
from sn37.domain.ids import Block, CompetitionId, Digest, EntryKey, Hotkey
from sn37.domain.reasons import Reason
from sn37.domain.schedule.schedule import CommitmentFormat
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.models import ModelArtifact, ModelRef
from sn37.domain.submission.submission import Submission


def from_key(key: EntryKey) -> JsonValue:
    return [key.hotkey, key.block]


def to_key(value: JsonValue) -> EntryKey:
    hotkey, block = to_list(value)
    return EntryKey(Hotkey(to_str(hotkey)), Block(to_int(block)))


def from_model_ref(ref: ModelRef) -> JsonValue:
    return {"repo": ref.repo, "revision": ref.revision, "secure_hash": ref.secure_hash}


def to_model_ref(value: JsonValue) -> ModelRef:
    fields = to_record(value)
    return ModelRef(
        repo=to_str(fields["repo"]),
        revision=to_str(fields["revision"]),
        secure_hash=Digest(to_str(fields["secure_hash"])),
    )


def from_commitment(commitment: Commitment) -> JsonValue:
    return {
        "hotkey": commitment.hotkey,
        "block": commitment.block,
        "extrinsic_index": commitment.extrinsic_index,
        "competition": commitment.competition,
        "model": from_model_ref(commitment.model),
        "format": commitment.format.value,
    }


def to_commitment(value: JsonValue) -> Commitment:
    fields = to_record(value)
    return Commitment(
        hotkey=Hotkey(to_str(fields["hotkey"])),
        block=Block(to_int(fields["block"])),
        extrinsic_index=to_int(fields["extrinsic_index"]),
        competition=CompetitionId(to_int(fields["competition"])),
        model=to_model_ref(fields["model"]),
        format=CommitmentFormat(to_str(fields["format"])),
    )


def from_artifact(artifact: ModelArtifact) -> JsonValue:
    return {
        "ref": from_model_ref(artifact.ref),
        "path": str(artifact.path),
        "size_bytes": artifact.size_bytes,
        "parameters": artifact.parameters,
        "architecture": artifact.architecture,
        "content_digest": artifact.content_digest,
        "tensor_digest": artifact.tensor_digest,
    }


def to_artifact(value: JsonValue) -> ModelArtifact:
    fields = to_record(value)
    return ModelArtifact(
        ref=to_model_ref(fields["ref"]),
        path=PurePath(to_str(fields["path"])),
        size_bytes=to_int(fields["size_bytes"]),
        parameters=to_int(fields["parameters"]),
        architecture=to_str(fields["architecture"]),
        content_digest=Digest(to_str(fields["content_digest"])),
        tensor_digest=Digest(to_str(fields["tensor_digest"])),
    )


def from_submission(submission: Submission) -> JsonValue:
    artifact, duplicate_of = submission.artifact, submission.duplicate_of
    return {
        "commitment": from_commitment(submission.commitment),
        "clock_block": submission.clock_block,
        "artifact": None if artifact is None else from_artifact(artifact),
        "rejection": from_reason(submission.rejection),
        "detail": submission.detail,
        "duplicate_of": None if duplicate_of is None else from_key(duplicate_of),
        "failures": submission.failures,
        "missed_rounds": submission.missed_rounds,
        "retired": submission.retired,
    }


def to_submission(value: JsonValue) -> Submission:
    fields = to_record(value)
    return Submission(
        commitment=to_commitment(fields["commitment"]),
        clock_block=Block(to_int(fields["clock_block"])),
        artifact=optional(to_artifact, fields["artifact"]),
        rejection=to_reason(fields["rejection"]),
        detail=to_str(fields["detail"]),
        duplicate_of=optional(to_key, fields["duplicate_of"]),
        failures=to_int(fields["failures"]),
        missed_rounds=to_int(fields["missed_rounds"]),
        retired=to_bool(fields["retired"]),
    )


def from_reason(reason: Reason | None) -> JsonValue:
    return None if reason is None else reason.value


def to_reason(value: JsonValue) -> Reason | None:
    return None if value is None else Reason(to_str(value))


def from_sample(sample: Sample) -> JsonValue:
    origin = sample.provenance
    moment = origin.produced_at
    return {
        "prompt": sample.prompt,
        "reference": sample.reference,
        "choices": list(sample.choices),
        "provenance": {
            "row_id": origin.row_id,
            "produced_at": None if moment is None else moment.isoformat(),
            "signer": origin.signer,
            "stratum": origin.stratum,
        },
    }


def to_sample(value: JsonValue) -> Sample:
    fields = to_record(value)
    origin = to_record(fields["provenance"])
    moment, signer = origin["produced_at"], origin["signer"]
    return Sample(
        prompt=to_str(fields["prompt"]),
        reference=to_str(fields["reference"]),
        provenance=Provenance(
            row_id=to_str(origin["row_id"]),
            produced_at=None if moment is None else datetime.fromisoformat(to_str(moment)),
            signer=None if signer is None else Hotkey(to_str(signer)),
            # these two are missing in samples of older versions
            stratum=optional(to_str, origin.get("stratum")),
        ),
        choices=tuple([to_str(c) for c in to_list(fields.get("choices", []))]),
    )


def from_samples(samples: tuple[Sample, ...]) -> JsonValue:
    return [from_sample(s) for s in samples]


def to_samples(value: JsonValue) -> tuple[Sample, ...]:
    return tuple(to_sample(s) for s in to_list(value))


def to_pool(value: JsonValue) -> Pool:
    return Pool(to_samples(value))
