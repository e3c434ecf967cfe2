"""Installation of our attention in a model of every scored architecture. Child side.

Most architectures select their attention by the name in the config, through transformers'
interface. Falcon's class computes its own, so its forward is replaced. Bart counts positions by
place in the row, so its table is read by our code. Other choices of a config are ignored.

Shapes: H heads, G key/value heads, T tokens of the row, D a head's width, W the hidden width.
"""

# ruff: noqa: N803, N806  (shape letters)

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding
from transformers import PreTrainedModel
from transformers.models.bart.modeling_bart import BartLearnedPositionalEmbedding
from transformers.models.falcon.modeling_falcon import FalconAttention, apply_rotary_pos_emb

from sn37.adapters.scoring.model.answering.cache import KeyValueCache
from sn37.adapters.scoring.model.attention import NAME, PACKED, PackedAttention
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.packing import Piece
from sn37.adapters.scoring.model.precision import ROW_STEP
from sn37.domain.reasons import Reason

SCORED = PACKED | {"BartForCausalLM", "FalconForCausalLM"}
_UNUSED = "encoder_attn"  # Bart's attention to an encoder, which does not exist here


class PackedBody:
    """A model's body over rows of packed samples; ``positions`` are those of the newest row."""

    def __init__(self, model: PreTrainedModel, products: torch.dtype) -> None:
        """Change ``model`` for packed rows.

        Raises:
            ModelFault: ``architecture``: it is not supported; ``bad_config``: Falcon's
                ``alibi``; ``unloadable``: the model has no separate body.
        """
        name = type(model).__name__
        if name not in SCORED:
            raise ModelFault(Reason.ARCHITECTURE, f"{name[:60]} is not a supported architecture")
        if model.base_model is model:
            raise ModelFault(Reason.UNLOADABLE, f"{name} has no separate body")
        self._body = model.base_model
        self.positions = torch.empty(0)
        layers = _attention_layers(model)
        self._attention = PackedAttention(products, layers)
        model.config._attn_implementation = NAME
        for layer in layers:
            if isinstance(layer, FalconAttention):
                if model.config.alibi:
                    raise ModelFault(
                        Reason.BAD_CONFIG, "alibi is not supported: use rotary positions"
                    )
                _replace_forward(layer, _FalconForward(layer, self._attention))
        for module in self._body.modules():
            if isinstance(module, BartLearnedPositionalEmbedding):
                _replace_forward(module, _BartPositions(module, self))

    @property
    def key_shapes(self) -> Sequence[tuple[int, int]]:
        """Number of key/value heads of each layer and their width; known after a row."""
        return self._attention.shapes

    def __call__(
        self,
        ids_T: Tensor,
        positions_T: Tensor,
        pieces: tuple[Piece, ...],
        *,
        careful: bool = False,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Return the hidden states (T, W) of a row.

        The row is padded to a multiple of ``ROW_STEP`` with a sample of token 0, whose hidden
        states are removed.

        Args:
            pieces: The parts of the row that see each other.
            careful: See ``PackedAttention``.
            cache: Of generated sequences, whose newest tokens the row has, as announced to it.

        Raises:
            ModelFault: ``unsound``: a layer did not run our attention.
        """
        count = len(ids_T)
        missing = -count % ROW_STEP
        if missing:
            pieces = (*pieces, Piece(count, count + missing))
            ids_T, positions_T = (
                torch.cat((one, one.new_zeros(missing))) for one in (ids_T, positions_T)
            )
        self._attention.pieces, self._attention.careful = pieces, careful
        self._attention.cache = cache
        self.positions = positions_T
        output = self._body(
            input_ids=ids_T.unsqueeze(0), position_ids=positions_T.unsqueeze(0), use_cache=False
        )
        self._attention.check_all_ran()
        hidden_TW: Tensor = output[0].squeeze(0)
        return hidden_TW[:count]


class _FalconForward:
    """FalconAttention's forward, from transformers 5.23, with our attention.

    The queries of one key/value head are adjacent, followed by its key and value.
    """

    def __init__(self, layer: FalconAttention, attention: PackedAttention) -> None:
        self._layer = layer
        self._attention = attention

    def __call__(
        self, hidden_1TW: Tensor, *, position_embeddings: tuple[Tensor, Tensor], **_: object
    ) -> tuple[Tensor, None]:
        layer = self._layer
        num_heads = layer.query_key_value.out_features // layer.head_dim  # H + 2 G
        groups = (num_heads - layer.num_heads) // 2
        joined = layer.query_key_value(hidden_1TW)
        joined = joined.unflatten(2, (groups, layer.num_heads // groups + 2, layer.head_dim))
        query_1HTD = joined[:, :, :, :-2].flatten(2, 3).transpose(1, 2)
        key_1GTD, value_1GTD = (joined[:, :, :, n].transpose(1, 2) for n in (-2, -1))
        query_1HTD, key_1GTD = apply_rotary_pos_emb(  # type: ignore[no-untyped-call]
            query_1HTD, key_1GTD, *position_embeddings
        )
        output_1THD, _none = self._attention.attend(layer, query_1HTD, key_1GTD, value_1GTD, None)
        return layer.dense(output_1THD.flatten(2)), None


class _BartPositions:
    """Rows of Bart's table of positions, counted from the beginning of each sample."""

    def __init__(self, table: BartLearnedPositionalEmbedding, row: PackedBody) -> None:
        self._table = table
        self._row = row

    def __call__(self, *_: object, **__: object) -> Tensor:
        positions_1T = self._row.positions.unsqueeze(0)
        return embedding(positions_1T + self._table.offset, self._table.weight)


def _attention_layers(model: PreTrainedModel) -> list[nn.Module]:
    """Return the attention layers in the order in which they run."""
    wanted = type(model).__name__.removesuffix("ForCausalLM") + "Attention"
    return [
        module
        for name, module in model.named_modules()
        if type(module).__name__ == wanted and not name.endswith(_UNUSED)
    ]


def _replace_forward(module: nn.Module, forward: object) -> None:
    setattr(module, "forward", forward)  # noqa: B010  # a method, to mypy
