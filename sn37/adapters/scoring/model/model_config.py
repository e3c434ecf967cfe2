"""transformers' configuration of a model, built only from checked settings, and compared.

config.json itself never reaches transformers. Its checked settings name every attribute that the
architecture's shape and arithmetic need; all others have the defaults of their class. Both are
compared with the result, so that a new derivation in a release of transformers leads to a
rejection, not to another loss. Child side.
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

# A row of the embeddings that training skips: it does not change a loss, and by default it is
# outside a small vocabulary.
_UNUSED = {"pad_token_id": None}
# We determine the outputs of the forward pass. The cache would join packed samples.
_OUTPUT = {
    "output_attentions": False,
    "output_hidden_states": False,
    "return_dict": True,
    "use_cache": False,
}


def build_config(checked: CheckedConfig) -> PreTrainedConfig:
    """Return the configuration that ``checked`` describes.

    Raises:
        ModelFault: ``bad_config``: transformers rejects it, or changes an attribute.
    """
    kind: Callable[..., PreTrainedConfig] = getattr(transformers, checked.config_class)
    given = {**copy.deepcopy(checked.settings), **_UNUSED}
    try:
        config = kind(**copy.deepcopy(given))
    except (StrictDataclassError, ValueError, TypeError, KeyError, ArithmeticError) as error:
        why = str(error).strip().rpartition("\n")[2][:200]
        raise ModelFault(Reason.BAD_CONFIG, f"transformers rejects config.json: {why}") from error
    check_built(config, given)
    for name, value in _OUTPUT.items():
        setattr(config, name, value)
    return config


def check_built(config: PreTrainedConfig, given: Mapping[str, object]) -> None:
    """Check that every attribute is one of ``given`` or the default of the class.

    Raises:
        ModelFault: ``bad_config``, with the first attribute that is neither.
    """
    defaults = vars(type(config)())
    found = vars(config)
    for name in sorted(found.keys() | defaults.keys() | given.keys()):
        expected = given[name] if name in given else defaults.get(name, _Absent)
        value = found.get(name, _Absent)
        if type(value) is not type(expected) or value != expected:
            raise ModelFault(
                Reason.BAD_CONFIG,
                f"transformers sets {name} to {value!a:.60}, but config.json means "
                f"{expected!a:.60}",
            )


class _Absent:
    """Marks a missing attribute."""
