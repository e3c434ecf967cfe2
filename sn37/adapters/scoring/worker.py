"""The work of a forked child: read one order, load one model, send its losses. Child side."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from transformers import PreTrainedModel

from sn37.adapters.admission.positions import positions_of
from sn37.adapters.scoring import device_memory
from sn37.adapters.scoring.control_costs import ControlCosts
from sn37.adapters.scoring.job_encoding import EncodedBlock, encode_blocks
from sn37.adapters.scoring.messages import (
    Answered,
    BlockReply,
    Failed,
    MalformedMessage,
    Reached,
    Ready,
    Refused,
    Reply,
    Scored,
    Weighed,
    WorkOrder,
    receive_order,
)
from sn37.adapters.scoring.model import determinism, loading, plain_forward
from sn37.adapters.scoring.model.answering.generation import Answer, Generator, Prompt
from sn37.adapters.scoring.model.answering.stopping import Stops, stops_of
from sn37.adapters.scoring.model.causality import Probes
from sn37.adapters.scoring.model.encoding import Encoder
from sn37.adapters.scoring.model.faults import ModelFault, OurFault
from sn37.adapters.scoring.model.independence import check_positions
from sn37.adapters.scoring.model.losses import LossModel
from sn37.adapters.scoring.model.plain import PlainModel, load_plainly
from sn37.adapters.scoring.model.precision import product_dtype
from sn37.adapters.scoring.model.template import own_template, shape_of
from sn37.adapters.scoring.model.tensors import read_headers
from sn37.adapters.scoring.model.tokenizing import TextTokenizer, load_tokenizer
from sn37.adapters.scoring.questions import answer_nats
from sn37.domain.reasons import Reason
from sn37.domain.schedule.methods import GivenText
from sn37.domain.scoring import deadlines
from sn37.domain.scoring.jobs import Implementation

loading.warm()


def main(stream: socket.socket) -> None:
    """Serve the one order that arrives on ``stream``, then end.

    An order with a method that this worker does not know fails before anything is loaded.
    """
    try:
        order = receive_order(stream)
    except MalformedMessage as error:
        stream.sendall(Failed(str(error)).encode())
        return
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
    except OurFault as fault:
        stream.sendall(Failed(str(fault)).encode())
    except ConnectionError:
        return  # the parent has closed the stream
    except BaseException as error:  # noqa: BLE001  # a tokenizer's panic is not an Exception
        roomy = isinstance(error, torch.OutOfMemoryError) and _had_room(device, order)
        stream.sendall(verdict_on(error, stage.reason, had_room=roomy).encode())


class Stage:
    """The worker's current activity, so that a library's exception gets the right reason."""

    reason = Reason.UNLOADABLE


def work(order: WorkOrder, device: torch.device, stream: socket.socket, stage: Stage) -> None:
    """Score the order's blocks, one message each.

    Raises:
        ModelFault: The model breaks a rule.
    """
    folder = Path(order.model)
    loading.check_configs(folder, max_tokens=order.max_tokens)
    stage.reason = Reason.TOKENIZER
    tokenizer = _tokenizer(order)
    shape = None
    if any(b.method.traits.given_text is not GivenText.WHOLE for b in order.blocks):
        stage.reason = Reason.TEMPLATE
        shape = shape_of(order.template or own_template(folder), tokenizer.special_tokens)
    stage.reason = Reason.UNLOADABLE
    stream.sendall(Reached(deadlines.Stage.LOADING).encode())
    is_plain = order.implementation is Implementation.PLAIN
    model = _plain(order, device) if is_plain else _ours(order, device)
    stream.sendall(Reached(deadlines.Stage.CHECKING).encode())
    vocabulary = loading.vocabulary(model)
    check_positions(model, max_tokens=order.max_tokens)
    positions = positions_of(read_headers(folder).values())
    encoder = Encoder(
        tokenizer,
        prescribed=order.tokenizer is not None,
        max_tokens=order.max_tokens,
        vocabulary=vocabulary,
        positions=positions,
    )
    stage.reason = Reason.TOKENIZER
    blocks = encode_blocks(order.blocks, shape, encoder)
    stage.reason = Reason.UNLOADABLE
    stops = stops_of(order.stop, shape, tokenizer)
    if is_plain:
        _score_plainly(blocks, encoder, PlainModel(model), stops, stream)
        return
    scorer = _agreed_scorer(model, vocabulary, min(order.max_tokens, positions or order.max_tokens))
    probes = Probes(scorer, seed=order.seed, vocabulary=vocabulary)
    controls = ControlCosts(order.blocks, shape, encoder, scorer)
    answer = Generator(scorer, stops, encoder.decoded).answers
    stream.sendall(Reached(deadlines.Stage.SCORING).encode())
    for number, block in enumerate(blocks):
        if number < order.skip_blocks:
            continue
        scored = _score(block, encoder, scorer, answer)
        probes.check(number, block.texts or [question.probed for question in block.questions])
        if isinstance(scored, Scored):
            scored = replace(scored, controls=controls.of(number))
        stream.sendall(scored.encode())


def _ours(order: WorkOrder, device: torch.device) -> PreTrainedModel:
    return loading.load_model(
        Path(order.model),
        architecture=order.architecture,
        max_parameters=order.max_parameters,
        dtype=order.dtype,
        device=device,
        norms=order.norms,
    )


def _plain(order: WorkOrder, device: torch.device) -> PreTrainedModel:
    return load_plainly(
        Path(order.model), architecture=order.architecture, device=device, dtype=order.dtype
    )


def _score_plainly(
    blocks: Sequence[EncodedBlock],
    encoder: Encoder,
    scorer: PlainModel,
    stops: Stops,
    stream: socket.socket,
) -> None:
    answer = partial(scorer.answers, stops=stops, decode=encoder.decoded)
    stream.sendall(Reached(deadlines.Stage.SCORING).encode())
    for block in blocks:
        stream.sendall(_score(block, encoder, scorer, answer).encode())


def _agreed_scorer(model: PreTrainedModel, vocabulary: int, reach: int) -> LossModel:
    """Return the model prepared for scoring, if it is the model that users download.

    Args:
        reach: Tokens that the competition and the model's table of positions allow. Without a
            table, the positions in a config limit nothing.

    Raises:
        ModelFault: ``unsound``.
    """
    rows = plain_forward.probe_rows(vocabulary=vocabulary, max_tokens=reach)
    products = product_dtype(model.dtype, model.device)
    plain = plain_forward.plain_nats(model, rows)  # before the model is changed
    scorer = LossModel(model)
    plain_forward.check_agreement(scorer, rows, plain, products)
    return scorer


def _tokenizer(order: WorkOrder) -> TextTokenizer:
    if order.tokenizer is None:
        return load_tokenizer(Path(order.model))
    try:
        return load_tokenizer(Path(order.tokenizer))
    except ModelFault as fault:
        raise OurFault(f"the competition's tokenizer: {fault}") from fault


def _score(
    block: EncodedBlock,
    encoder: Encoder,
    scorer: LossModel | PlainModel,
    answer: Callable[[Sequence[Prompt]], Sequence[Answer]],
) -> BlockReply:
    if block.prompts:
        answers = answer(block.prompts)
        return Answered(
            tuple(a.text for a in answers),
            sum(len(a.ids) for a in answers),
            sum(a.near_ties for a in answers),
        )
    if block.questions:
        found = answer_nats(block.questions, encoder, scorer)
        return Weighed(
            tuple(tuple(torch.tensor(nats, dtype=torch.float32).tolist()) for nats in found),
            sum(question.num_scored for question in block.questions),
        )
    samples = block.texts
    nats = scorer.nats(samples)
    losses = torch.tensor(
        [encoder.loss(s, n) for s, n in zip(samples, nats, strict=True)], dtype=torch.float32
    )
    return Scored(tuple(losses.tolist()), sum(s.num_scored for s in samples))


def _had_room(device: torch.device, order: WorkOrder) -> bool:
    """See ``device_memory.had_room``."""
    return device_memory.had_room(
        free_bytes=torch.cuda.mem_get_info(device)[0],
        held_bytes=torch.cuda.memory_reserved(device),
        allowed_bytes=order.memory_bytes,
    )


def verdict_on(error: BaseException, stage: Reason, *, had_room: bool = False) -> Reply:
    """Return the message that blames the model or us for a library's exception.

    Args:
        had_room: True if the device had as much memory as the model may use.
    """
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, torch.OutOfMemoryError):
        return Refused(Reason.MEMORY, text) if had_room else Failed(text)
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return Refused(Reason.MEMORY, text)
    return Refused(stage, text)
