"""What a forked child does: read one order, load one model, stream its losses. Child side."""

from __future__ import annotations

import socket
from pathlib import Path

import torch

from sn37.adapters.cuda import determinism, device_memory, loading
from sn37.adapters.cuda.faults import ModelFault
from sn37.adapters.cuda.independence import check_independence
from sn37.adapters.cuda.losses import LossModel
from sn37.adapters.cuda.messages import (
    BlockOrder,
    Failed,
    Ready,
    Refused,
    Reply,
    Scored,
    WorkOrder,
    receive_order,
)
from sn37.adapters.cuda.prompting import Encoder
from sn37.adapters.cuda.template import Shape, shape_of
from sn37.domain.competition import Method
from sn37.domain.reasons import Reason

loading.warm()


def main(stream: socket.socket) -> None:
    """Serve the one order that comes down ``stream``; end with it."""
    order = receive_order(stream)
    try:
        device = determinism.configure(device=order.device, threads=order.threads)
    except RuntimeError as error:
        what = str(error).partition("\n")[0]  # CUDA adds three lines of advice
        stream.sendall(Failed(f"device {order.device}: {what}").encode())
        return
    if device.type == "cuda":
        files = Path(order.model).glob("*.safetensors")
        device_memory.await_free(
            lambda: torch.cuda.mem_get_info(device)[0],
            need_bytes=sum(file.stat().st_size for file in files),
        )
    stream.sendall(Ready(determinism.environment(device, order.dtype, order.threads)).encode())
    stage = Stage()
    try:
        work(order, device, stream, stage)
    except ModelFault as fault:
        stream.sendall(Refused(fault.reason, str(fault)).encode())
    except ConnectionError:
        return  # nobody listens any more
    except BaseException as error:  # noqa: BLE001  # a tokenizer's panic is no Exception
        stream.sendall(verdict_on(error, stage.reason).encode())


class Stage:
    """What the worker is doing, so that a library's exception gets the right reason."""

    reason = Reason.UNLOADABLE


def work(order: WorkOrder, device: torch.device, stream: socket.socket, stage: Stage) -> None:
    """Score the order's blocks, one message each.

    Raises:
        ModelFault: The model breaks a rule.
    """
    folder = Path(order.model)
    loading.check_configs(folder)
    stage.reason = Reason.TOKENIZER
    tokenizer = loading.load_tokenizer(Path(order.tokenizer or order.model))
    shape = None
    if any(block.method is Method.REFERENCE_LOSS for block in order.blocks):
        stage.reason = Reason.TEMPLATE
        shape = shape_of(order.template or loading.own_template(folder), tokenizer)
    stage.reason = Reason.UNLOADABLE
    model = loading.load_model(
        folder,
        architecture=order.architecture,
        max_parameters=order.max_parameters,
        dtype=order.dtype,
        device=device,
        norms=order.norms,
    )
    vocabulary = loading.vocabulary(model)
    check_independence(model, vocabulary=vocabulary, max_tokens=order.max_tokens)
    encoder = Encoder(
        tokenizer,
        prescribed=order.tokenizer is not None,
        max_tokens=order.max_tokens,
        vocabulary=vocabulary,
    )
    scorer = LossModel(model)
    for block in order.blocks:
        stream.sendall(_score(block, shape, encoder, scorer, stage).encode())


def _score(
    block: BlockOrder, shape: Shape | None, encoder: Encoder, scorer: LossModel, stage: Stage
) -> Scored:
    stage.reason = Reason.TOKENIZER
    if block.method is Method.TEXT_LOSS or shape is None:
        samples = [encoder.text(reference) for _, reference in block.pairs]
    else:
        samples = [encoder.pair(shape, prompt, reference) for prompt, reference in block.pairs]
    stage.reason = Reason.UNLOADABLE
    nats = scorer.nats(samples)
    losses = torch.tensor(
        [encoder.loss(s, n) for s, n in zip(samples, nats, strict=True)], dtype=torch.float32
    )
    return Scored(tuple(losses.tolist()), sum(s.num_scored for s in samples))


def verdict_on(error: BaseException, stage: Reason) -> Reply:
    """Whose fault a library's exception is."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, torch.OutOfMemoryError):
        # The device holds no one but this model: it is too small for what the rules allow.
        return Failed(text)
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return Refused(Reason.MEMORY, text)
    return Refused(stage, text)
