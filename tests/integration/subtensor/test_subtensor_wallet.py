"""The hotkey's file: what is opened, what is refused, and that nothing secret is shown."""

from __future__ import annotations

import builtins
import io
import logging
from pathlib import Path

import bittensor as bt
import pytest
from bittensor.sp_core import verify

from sn37.adapters.signatures import is_signed_by
from sn37.adapters.subtensor.wallet import HotkeySigner, open_hotkey
from sn37.app.config.settings import Settings, load_settings
from sn37.app.wiring.networks import open_signer
from sn37.domain.ids import Hotkey
from sn37.ports.chain import Signer
from sn37.ports.errors import SignerUnusable
from sn37.testing.hotkey_contract import SignerContract
from tests.integration.subtensor.world import ALICE, BOB

# The development key //Alice; deriving the key of a file from its password takes seconds.
ENCRYPTED = Path(__file__).parents[2] / "data" / "wallet" / "encrypted-hotkey"


@pytest.fixture(scope="module")
def wallet(tmp_path_factory: pytest.TempPathFactory) -> bt.Wallet:
    """A wallet as btcli makes it. Do not write to it."""
    made = bt.Wallet("val", "hk", path=str(tmp_path_factory.mktemp("wallets")))
    made.create_new_coldkey(use_password=False, suppress=True)
    made.create_new_hotkey(suppress=True)
    return made


@pytest.fixture(scope="module")
def folder(wallet: bt.Wallet) -> Path:
    return Path(wallet.path) / "val"


class TestHotkeySigner(SignerContract):
    @pytest.fixture(autouse=True)
    def _file(self, folder: Path) -> None:
        self.file = folder / "hotkeys" / "hk"

    def signer(self) -> Signer:
        return open_hotkey(self.file)

    def verify(self, hotkey: Hotkey, message: bytes, signature: bytes) -> bool:
        return bool(verify(message, signature, hotkey))


def test_only_the_hotkey_s_file_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def spy(name: object, *args: object, **kwargs: object) -> object:
        opened.append(str(name))
        return original(name, *args, **kwargs)  # type: ignore[call-overload]

    original = io.open
    monkeypatch.setattr(io, "open", spy)
    monkeypatch.setattr(builtins, "open", spy)
    open_hotkey(folder / "hotkeys" / "hk")
    assert opened == [str(folder / "hotkeys" / "hk")]


def test_a_coldkey_that_cannot_be_read_is_not_missed(folder: Path, wallet: bt.Wallet) -> None:
    coldkey = folder / "coldkey"
    hidden = coldkey.rename(folder / "elsewhere")  # not only locked: root reads everything
    coldkey.mkdir(mode=0)
    try:
        assert open_hotkey(folder / "hotkeys" / "hk").hotkey == wallet.hotkey.ss58_address
    finally:
        coldkey.rmdir()
        hidden.rename(coldkey)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A wallet whose hotkey is encrypted."""
    folder = tmp_path / "val" / "hotkeys"
    folder.mkdir(parents=True)
    (folder / "hk").write_bytes(ENCRYPTED.read_bytes())
    return load_settings(
        {"network": "test", "wallet": "val", "wallet_hotkey": "hk", "wallet_path": tmp_path}
    )


def test_an_encrypted_hotkey_opens_with_the_password_of_a_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    monkeypatch.setenv("BT_WALLET_PASSWORD_FILE", str(tmp_path / "password"))
    assert open_signer(settings).hotkey == ALICE.hotkey


def test_a_password_file_that_is_not_there_is_one_line(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BT_WALLET_PASSWORD_FILE", str(tmp_path / "none"))
    with pytest.raises(SignerUnusable, match=r"BT_WALLET_PASSWORD_FILE .*No such file"):
        open_signer(settings)


def test_nobody_is_asked_where_nobody_sits(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BT_WALLET_PASSWORD_FILE", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    with pytest.raises(SignerUnusable, match="is encrypted"):
        open_signer(settings)


def test_a_wrong_password_is_one_line_without_it() -> None:
    with pytest.raises(SignerUnusable) as caught:
        open_hotkey(ENCRYPTED, password=lambda: "guess")
    assert str(caught.value) == f"hotkey {ENCRYPTED}: wrong password"


def test_an_encrypted_hotkey_without_a_password_says_how_to_give_it() -> None:
    with pytest.raises(SignerUnusable, match="BT_WALLET_PASSWORD_FILE"):
        open_hotkey(ENCRYPTED)


def test_a_missing_hotkey_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SignerUnusable, match=r"No such file.*btcli wallet create"):
        open_hotkey(tmp_path / "hk")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b'{"secretPhrase": "twelve words that are no mnemonic"}',
        b'{"ss58Address": "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"}',
        b"x" * 100_000,
    ],
)
def test_a_file_that_cannot_sign_is_refused_without_a_word_of_it(
    content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "hk"
    file.write_bytes(content)
    with pytest.raises(SignerUnusable) as caught:
        open_hotkey(file)
    assert "\n" not in str(caught.value)
    assert "twelve" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_folder_in_its_place_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SignerUnusable, match="Is a directory"):
        open_hotkey(tmp_path)


def test_a_signer_shows_its_address_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    signer = HotkeySigner(ALICE.keypair)
    signer.sign(b"message")
    assert {repr(signer), str(signer)} == {f"HotkeySigner({ALICE.hotkey})"}
    assert caplog.records == []


def test_nothing_is_written_beside_the_hotkey(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    open_hotkey(folder / "hotkeys" / "hk")
    assert sorted(folder.rglob("*")) == before


def test_a_signature_is_its_makers_over_its_message_only() -> None:
    signature = ALICE.sign(b"receipt")
    assert is_signed_by(ALICE.hotkey, b"receipt", signature)
    assert not is_signed_by(ALICE.hotkey, b"another", signature)
    assert not is_signed_by(BOB.hotkey, b"receipt", signature)


@pytest.mark.parametrize(
    ("hotkey", "signature"), [("nobody", b"\0" * 64), (None, b""), (None, b"x" * 65)]
)
def test_what_is_no_address_or_no_signature_is_not_signed(
    hotkey: str | None, signature: bytes
) -> None:
    assert not is_signed_by(Hotkey(hotkey or ALICE.hotkey), b"receipt", signature)
