"""Methods that a worker can score, and its answer to any other."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from sn37.adapters.scoring import worker
from sn37.adapters.scoring.messages import (
    LENGTH,
    BlockOrder,
    Failed,
    WorkOrder,
    decode_reply,
    frame,
)
from sn37.adapters.scoring.model.encoding import Encoder, encode_pairs
from sn37.adapters.scoring.model.faults import OurFault
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.domain.schedule.methods import GivenText, Method
from sn37.domain.schedule.model_limits import NormLimits
from tests.integration.scorer.tokenizer_shapes import save_shape


def test_a_worker_answers_that_it_does_not_know_a_method_before_it_reads_a_model() -> None:
    """Neither the order's model nor its device exists; the worker looks for neither."""
    block = BlockOrder(method=Method.TEXT_LOSS, pairs=(("", "a text"),))
    order = WorkOrder(
        model="/nonexistent",
        architecture="LlamaForCausalLM",
        max_parameters=1,
        max_tokens=8,
        norms=NormLimits(),
        tokenizer=None,
        template=None,
        device="nonexistent",
        dtype="float32",
        threads=1,
        memory_bytes=1,
        seed="00",
        blocks=(block, block),
    )
    fields = json.loads(order.encode()[LENGTH.size :])
    fields["blocks"][1]["method"] = "luck"
    parent, child = socket.socketpair()
    with parent, child:
        parent.sendall(frame(fields))
        worker.main(child)
        child.close()
        with parent.makefile("rb") as stream:
            answer = stream.read()
    (length,) = LENGTH.unpack(answer[: LENGTH.size])
    assert len(answer) == LENGTH.size + length  # one message, nothing before or after it
    told = decode_reply(answer[LENGTH.size :])
    assert told == Failed("this version does not know the method 'luck'")


@pytest.mark.parametrize("method", Method)
def test_a_sample_is_never_encoded_as_that_of_another_method(
    method: Method, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(save_shape("llama_2", tmp_path))
    encoder = Encoder(tokenizer, prescribed=False, max_tokens=64, vocabulary=tokenizer.size)
    pairs = [("the prompt", "the text")]
    if method.traits.given_text is GivenText.WHOLE:
        (found,) = encode_pairs(pairs, method, None, encoder)
        assert found == encoder.text("the text")
    else:  # no template is given
        with pytest.raises(OurFault, match=f"cannot encode a sample of {method}"):
            list(encode_pairs(pairs, method, None, encoder))
