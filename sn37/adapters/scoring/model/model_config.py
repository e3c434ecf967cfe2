"""transformers' configuration of a model, built from checked settings alone, and looked at again.

config.json itself never reaches transformers. Its checked settings name every attribute that the
architecture's shape and arithmetic need; whatever else a configuration has is the default of
its class. Both are compared with what was built, so that a release of transformers that derives
something anew is noticed by a refusal, not by another loss. Child side.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedConfig

from sn37.adapters.admission.config import CheckedConfig
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.domain.reasons import Reason

# A row of the embeddings that training leaves alone: nothing to a loss, and by default beyond a
# small vocabulary.
_UNUSED = {"pad_token_id": None}
# What the forward pass returns is for us to say. The cache would join packed samples.
_OUTPUT = {
    "output_attentions": False,
    "output_hidden_states": False,
    "return_dict": True,
    "use_cache": False,
}


def build_config(checked: CheckedConfig) -> PreTrainedConfig:
    """The configuration that ``checked`` describes.

    Raises:
        ModelFault: ``bad_config``: transformers refuses it, or makes something else of it.
    """
    kind: Callable[..., PreTrainedConfig] = getattr(transformers, checked.config_class)
    given = {**copy.deepcopy(checked.settings), **_UNUSED}
    try:
        config = kind(**copy.deepcopy(given))
    except (StrictDataclassError, ValueError, TypeError, KeyError, ArithmeticError) as error:
        why = str(error).strip().rpartition("\n")[2][:200]
        raise ModelFault(Reason.BAD_CONFIG, f"transformers refuses config.json: {why}") from error
    check_built(config, given)
    for name, value in _OUTPUT.items():
        setattr(config, name, value)
    return config


def check_built(config: PreTrainedConfig, given: Mapping[str, object]) -> None:
    """Make sure that every attribute is one of ``given`` or the default of the class.

    Raises:
        ModelFault: ``bad_config``, naming the first attribute that is neither.
    """
    defaults = vars(type(config)())
    found = vars(config)
    for name in sorted(found.keys() | defaults.keys() | given.keys()):
        expected = given[name] if name in given else defaults.get(name, _Absent)
        value = found.get(name, _Absent)
        if type(value) is not type(expected) or value != expected:
            raise ModelFault(
                Reason.BAD_CONFIG,
                f"transformers makes {name} {value!a:.60} of config.json, which means "
                f"{expected!a:.60}",
            )


class _Absent:
    """Stands for an attribute that is not there."""
