"""Windows, borders and units of tokenised samples."""

from __future__ import annotations

import math
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sn37.adapters.scoring.model.encoding import Encoder
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.template import Shape, shape_of
from sn37.adapters.scoring.model.tokenizing import CannotTokenize, load_tokenizer
from sn37.domain.reasons import Reason
from sn37.domain.scoring.worst_loss import WORST_NATS_PER_TOKEN
from sn37.testing.tiny_models import TEMPLATE, VOCABULARY, save_tokenizer

PLAIN = Shape(before="", between="", after="")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return folder


def encoder(folder: Path, *, prescribed: bool = True, max_tokens: int = 16) -> Encoder:
    return Encoder(
        load_tokenizer(folder),
        prescribed=prescribed,
        max_tokens=max_tokens,
        vocabulary=VOCABULARY,
    )


def test_the_shape_of_a_template_is_the_text_around_prompt_and_response(folder: Path) -> None:
    shape = shape_of(TEMPLATE, load_tokenizer(folder).special_tokens)
    assert shape == Shape(before="<s><user>", between="\n<assistant>", after="\n")


def test_the_date_in_a_template_is_the_same_every_day(folder: Path) -> None:
    template = "\n  {% if true %}{{ strftime_now('%d %b %Y') }}{% endif %}" + TEMPLATE
    shape = shape_of(template, load_tokenizer(folder).special_tokens)
    assert shape.before == "\n01 Jan 2026<s><user>"


def test_bos_comes_first_exactly_once(folder: Path) -> None:
    encode = encoder(folder)
    assert encode.pair(PLAIN, "1", "2").ids[0] == 0
    assert encode.pair(Shape("<s>", "", ""), "1", "2") == encode.pair(PLAIN, "1", "2")
    assert encode.text("12").ids[0] == 0


def test_a_long_prompt_loses_its_left_after_bos(folder: Path) -> None:
    encode = encoder(folder, max_tokens=6)
    whole = encoder(folder, max_tokens=99).pair(PLAIN, "0123456789", "xyz")
    cut = encode.pair(PLAIN, "0123456789", "xyz")
    assert cut.ids == (0, *whole.ids[-5:])
    assert cut.num_scored == 3


def test_a_response_longer_than_the_window_is_scored_in_its_first_part(folder: Path) -> None:
    whole = encoder(folder, max_tokens=99).pair(PLAIN, "01", "0123456789")
    cut = encoder(folder, max_tokens=6).pair(PLAIN, "01", "0123456789")
    assert cut.ids == (0, *whole.ids[whole.first : whole.first + 5])
    assert cut.first == 1


def test_without_bos_the_first_token_of_a_text_is_context_and_costs_as_in_a_uniform_draw(
    tmp_path: Path,
) -> None:
    save_tokenizer(tmp_path, bos=None)
    encode = encoder(tmp_path, prescribed=False)
    encoded = encode.text("0123")
    assert (encoded.first, encoded.num_scored, encoded.unscored_bytes) == (1, 3, 0)
    assert encode.loss(encoded, nats=0.0) == math.log2(VOCABULARY) / 4


def test_t12_truncation_never_pays_with_a_free_tokenizer(folder: Path) -> None:
    encode = encoder(folder, prescribed=False, max_tokens=6)
    encoded = encode.text("0123456789")
    assert (encoded.num_scored, encoded.num_bytes, encoded.unscored_bytes) == (5, 10, 5)
    assert encode.loss(encoded, nats=math.log(2) * 10) == (10 + 40) / 10


@given(text=st.text(max_size=40), max_tokens=st.integers(2, 30))
def test_bytes_are_scored_or_charged(folder: Path, text: str, max_tokens: int) -> None:
    encoded = encoder(folder, prescribed=False, max_tokens=max_tokens).text(text)
    assert len(encoded.ids) <= max_tokens
    num_bytes = len(unicodedata.normalize("NFC", text).encode())
    assert 0 <= encoded.unscored_bytes <= encoded.num_bytes == num_bytes
    if encoded.num_scored == 0:
        assert encoded.unscored_bytes == encoded.num_bytes == 0


@given(prompt=st.text(max_size=40), response=st.text(max_size=40), max_tokens=st.integers(2, 30))
def test_a_pair_fits_the_window_and_keeps_something_to_condition_on(
    folder: Path, prompt: str, response: str, max_tokens: int
) -> None:
    encoded = encoder(folder, max_tokens=max_tokens).pair(PLAIN, prompt, response)
    assert len(encoded.ids) <= max_tokens
    assert encoded.first >= 1
    assert (encoded.num_scored > 0) == bool(response)


def test_an_empty_text_has_no_loss(folder: Path) -> None:
    for prescribed in (True, False):
        encode = encoder(folder, prescribed=prescribed)
        assert encode.loss(encode.text(""), nats=0.0) == 0.0


def test_t49_the_room_for_a_prompt_follows_from_bytes_and_not_from_tokens(folder: Path) -> None:
    encode = encoder(folder, prescribed=False, max_tokens=24)
    prompt = "0123456789" * 4
    whole, split = (encode.pair(PLAIN, prompt, text) for text in ("the mode", "qvxzkjwy"))
    assert whole.num_scored < split.num_scored
    assert whole.first == split.first == 24 - 4


def test_a_text_that_cannot_be_tokenised_costs_the_worst_loss_under_a_prescribed_tokenizer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = encoder(folder)

    def give_up(text: str) -> list[int]:
        raise CannotTokenize("it panicked")

    monkeypatch.setattr(encode._tokenizer, "text", give_up)
    encoded = encode.pair(PLAIN, "12", "34")
    assert encoded.num_scored == 0
    assert encode.loss(encoded, nats=0.0) == WORST_NATS_PER_TOKEN


@given(prompt=st.text(max_size=30), response=st.text(max_size=30), positions=st.integers(2, 20))
def test_t48_tokens_beyond_a_models_positions_cost_a_uniform_draw(
    folder: Path, prompt: str, response: str, positions: int
) -> None:
    tokenizer = load_tokenizer(folder)
    short, full = (
        Encoder(tokenizer, prescribed=True, max_tokens=16, vocabulary=VOCABULARY, positions=length)
        for length in (positions, None)
    )
    few, all_of_them = (e.pair(PLAIN, prompt, response) for e in (short, full))
    assert len(few.ids) <= positions
    assert few.num_scored + few.unscored_tokens == all_of_them.num_scored
    if few.unscored_tokens:
        share = few.unscored_tokens / all_of_them.num_scored
        assert short.loss(few, 0.0) == pytest.approx(share * math.log(tokenizer.size))


def test_halves_of_surrogate_pairs_are_text(folder: Path) -> None:
    for prescribed in (True, False):
        encode = encoder(folder, prescribed=prescribed)
        assert encode.pair(PLAIN, "a\ud800", "b\udfff") == encode.pair(PLAIN, "a?", "b?")


@pytest.mark.parametrize("prescribed", [True, False])
def test_a_table_of_one_position_is_refused(folder: Path, prescribed: bool) -> None:
    with pytest.raises(ModelFault, match="positions") as caught:
        Encoder(
            load_tokenizer(folder),
            prescribed=prescribed,
            max_tokens=16,
            vocabulary=VOCABULARY,
            positions=1,
        )
    assert caught.value.reason is Reason.BAD_CONFIG
