"""Matching of a file's tensors with those of a model. Child side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

from sn37.adapters.admission.header import Header
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.domain.reasons import Reason


def match_names(model: PreTrainedModel, headers: Mapping[Path, Header]) -> Mapping[str, str]:
    """Return the model's name of every tensor in the files, by its name there.

    A model also has older names (GPT-NeoX's head was ``embed_out``), which are in transformers'
    own table. Nothing may be left over on either side: transformers would fill missing tensors
    with random numbers, and skip some unknown ones, which could make a copy's digest differ.

    Raises:
        ModelFault: ``unloadable``: a tensor is missing, unknown, duplicated, of another
            shape, or must be merged with others (mixtures of experts).
    """
    expected = model.state_dict()
    shapes = {span.name: span.shape for header in headers.values() for span in header.tensors}
    transforms = get_model_conversion_mapping(model)
    renamings = [t for t in transforms if isinstance(t, WeightRenaming)]
    converters = [t for t in transforms if isinstance(t, WeightConverter)]
    names: dict[str, str] = {}
    for theirs in shapes:
        ours, pattern = rename_source_key(
            theirs, renamings, converters, model.base_model_prefix, expected
        )
        if pattern is not None:
            raise _bad("these tensors must be merged, which is not supported", [theirs])
        names[theirs] = ours if ours in expected else theirs
    if unknown := [theirs for theirs, ours in names.items() if ours not in expected]:
        raise _bad("the model does not have these tensors", unknown)
    if len(set(names.values())) != len(names):
        raise _bad("tensors occur under two names", names)
    found = set(names.values())
    for one, other in model.all_tied_weights_keys.items():
        if one in found or other in found:
            found |= {one, other}
    if missing := expected.keys() - found:
        raise _bad("tensors are missing", missing)
    for theirs, ours in names.items():
        if shapes[theirs] != (shape := tuple(expected[ours].shape)):
            raise ModelFault(
                Reason.UNLOADABLE,
                f"{theirs} has shape {list(shapes[theirs])}, but the config implies {list(shape)}",
            )
    return names


def _bad(what: str, names: Iterable[str]) -> ModelFault:
    some = sorted(names)
    return ModelFault(Reason.UNLOADABLE, f"{what}: {', '.join(some[:3])} ({len(some)})")
