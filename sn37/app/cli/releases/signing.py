"""``sn37 release``, for maintainers: sign releases, and publish what is signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.terminal.reporting import report
from sn37.app.errors import CommandError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

app = typer.Typer(
    name="release",
    help="For maintainers: sign releases, and publish what is signed.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Folder of the releases, with metadata/ in it.")
]
Days = Annotated[int, typer.Option(min=1, max=366, help="Number of days that it is valid.")]
PublicKey = Annotated[list[str], typer.Option(metavar="KEY", help="Public key; repeatable.")]
Threshold = Annotated[int, typer.Option(min=1, help="How many of them must sign.")]
PrivateKey = Annotated[Path, typer.Option(help="PEM file of your private ed25519 key.")]


@app.command()
def root(
    folder: Folder,
    root_key: PublicKey,
    targets_key: PublicKey,
    publisher_key: Annotated[str, typer.Option(metavar="KEY", help="Public key.")],
    root_threshold: Threshold = 2,
    targets_threshold: Threshold = 2,
    days: Days = 366,
    as_json: options.AsJson = False,
) -> None:
    """Write the next root: the keys of all roles from now on. It still has to be signed.

    sn37 release root FOLDER --root-key KEY --targets-key KEY --publisher-key KEY
    """
    from sn37.app.wiring.release import keys_of, open_repository

    file = open_repository(folder).add_root(
        root=keys_of(root_key, root_threshold),
        targets=keys_of(targets_key, targets_threshold),
        publisher=publisher_key,
        expires=_in(days),
    )
    _report_unsigned(file, f"{file}: to be signed with sn37 release sign", as_json=as_json)


@app.command()
def add(
    wheel: Annotated[Path, typer.Argument(metavar="WHEEL", help="sn37-VERSION-py3-none-any.whl")],
    requirements: Annotated[
        Path,
        typer.Argument(metavar="REQUIREMENTS", help="File of all other packages, with hashes."),
    ],
    days: Days = 90,
    oldest_state: Annotated[
        int, typer.Option(min=0, help="Oldest version of the state that it can migrate.")
    ] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Describe a release beside its files, and add it to the next targets, to be signed.

    Run it with the same version of sn37 that it describes.

    sn37 release add sn37-0.2.0-py3-none-any.whl requirements.txt
    """
    import sn37
    from sn37.app.upgrade.describe import describe
    from sn37.app.wiring.release import SCHEMA, open_repository, write_document

    release = describe(
        wheel,
        requirements,
        schema=SCHEMA,
        oldest_schema=oldest_state,
        not_before=_in(0),
        valid_days=days,
    )
    if release.version != sn37.__version__:
        raise CommandError(
            f"{wheel.name} is not of this version, {sn37.__version__}: sign it with its own sn37"
        )
    repository = open_repository(wheel.parent)
    document = write_document(release, wheel.parent)
    file = repository.add_document(document, expires=release.expires_at)
    said = f"{document} is in {file}: to be signed with sn37 release sign"
    _report_unsigned(file, said, as_json=as_json)


@app.command()
def withdraw(
    document: Annotated[
        Path, typer.Argument(metavar="RELEASE", help="Document of a release in its folder.")
    ],
    days: Days = 90,
    as_json: options.AsJson = False,
) -> None:
    """Write the next targets, to be signed, without a release: no validator installs it then.

    sn37 release withdraw sn37-0.2.0.release
    """
    from sn37.app.wiring.release import open_repository

    file = open_repository(document.parent).withdraw(document.name, expires=_in(days))
    said = f"{document.name} is not in {file}: to be signed with sn37 release sign"
    _report_unsigned(file, said, as_json=as_json)


@app.command()
def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A root or targets in metadata/.")],
    key: PrivateKey,
    as_json: options.AsJson = False,
) -> None:
    """Print what a root or targets say, and add your signature.

    Compare the hashes with your own build before you pass the file on.

    sn37 release sign metadata/1.targets.json --key key.pem
    """
    from sn37.app.wiring.release import open_repository

    private = _private(key)
    review: list[str] = []
    told = review.append if as_json else typer.echo
    missing = open_repository(file.parent.parent).sign(file, private, told)
    said = f"{file}: " + (f"{missing} more to sign" if missing else "signed by enough keys")
    document = {"file": str(file), "signed": review, "missing_signatures": missing}
    report(document, said, as_json=as_json)


@app.command()
def publish(
    folder: Folder, key: PrivateKey, days: Days = 14, as_json: options.AsJson = False
) -> None:
    """Confirm that the newest root and targets are the newest; repeat it before it expires.

    sn37 release publish FOLDER --key key.pem
    """
    from sn37.app.wiring.release import open_repository

    expires = _in(days)
    open_repository(folder).publish(_private(key), expires=expires)
    said = f"{folder}: newest until {expires:%Y-%m-%d %H:%M} UTC"
    report({"folder": str(folder), "newest_until": expires.isoformat()}, said, as_json=as_json)


def _report_unsigned(file: Path, said: str, *, as_json: bool) -> None:
    report({"file": str(file), "next": f"sn37 release sign {file}"}, said, as_json=as_json)


def _private(key: Path) -> Ed25519PrivateKey:
    from sn37.app.wiring.release import open_private_key

    return open_private_key(key, partial(_password, key))


def _password(key: Path) -> bytes:
    return getpass(f"password of {key}: ").encode()


def _in(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
