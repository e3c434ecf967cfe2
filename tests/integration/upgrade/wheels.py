"""Wheels of this very program under other version numbers, and environments made of them."""

from __future__ import annotations

import io
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from pathlib import Path

import sn37

PACKAGE = Path(sn37.__file__).parent


def a_wheel(version: str, changes: Mapping[str, tuple[str, str]]) -> bytes:
    """All of sn37, and the way to the packages that these tests run with.

    Args:
        changes: By file of the package, what is replaced in it by what.
    """
    info = f"sn37-{version}.dist-info"
    files = {
        f"sn37/{path.relative_to(PACKAGE)}": path.read_bytes()
        for path in sorted(PACKAGE.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    current = f'__version__ = "{sn37.__version__}"'
    replaced = {"__init__.py": (current, f'__version__ = "{version}"'), **changes}
    for name, (old, new) in replaced.items():
        text = files[f"sn37/{name}"].decode()
        assert text.count(old) == 1, (name, old)
        files[f"sn37/{name}"] = text.replace(old, new).encode()
    beside = sysconfig.get_path("purelib")
    files["beside_sn37.pth"] = f"import sys; sys.path.insert(0, {beside!r})\n".encode()
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: sn37\nVersion: {version}\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in files).encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text_or_bytes in files.items():
            archive.writestr(name, text_or_bytes)
    return content.getvalue()


def unpack(wheel: bytes, folder: Path) -> None:
    """An environment as pip would leave it, in a tenth of the time."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        archive.extractall(packages)
