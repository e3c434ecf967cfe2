"""Check that a competition's chat template renders, for authors of schedules.

    python -m sn37.adapters.scoring.rendering

reads a template as a line of JSON and writes its problem, or null. It is rendered as in a
worker (``template``), in its own process: a template is a program, and may not end.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from importlib.util import find_spec

from sn37.adapters.child_process.running import child_environment, running
from sn37.domain.printable import one_line
from sn37.domain.scoring.deadlines import PREPARING_S

_ENGINE = "jinja2"
LONGEST = 200  # characters of an error of the template
_MEMORY_BYTES = 1 << 30
# For the special tokens that a tokenizer would name.
_STAND_INS = {
    f"{name}_token": f"<{name}>" for name in ("bos", "eos", "unk", "pad", "sep", "cls", "mask")
}


def can_render() -> bool:
    """True if the library that renders templates is installed here."""
    return find_spec(_ENGINE) is not None


async def template_problem(template: str, *, timeout_s: float = PREPARING_S) -> str | None:
    """Return why a competition with this template cannot be scored; ``None`` if it can.

    Special tokens are stand-ins, such as ``<bos>``: those of the models' tokenizers are unknown.

    Args:
        timeout_s: Wall-clock time, including the start of a process.

    Raises:
        ChildError: No process can be started.
    """
    order = json.dumps(template).encode() + b"\n"
    async with running(__name__, child_environment({})) as child:
        try:
            async with asyncio.timeout(timeout_s):
                child.send(order)
                async for line in child.lines():
                    found: str | None = json.loads(line)
                    return found
        except TimeoutError:
            return f"rendering does not end within {timeout_s:g} s"
        died = child.death()
    return f"its rendering {died}"


def main() -> None:
    """Render the template from standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    found = _problem(json.loads(sys.stdin.readline()))
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def _problem(template: str) -> str | None:
    from jinja2 import TemplateSyntaxError

    from sn37.adapters.scoring.model.faults import ModelFault
    from sn37.adapters.scoring.model.template import shape_of

    try:
        shape_of(template, _STAND_INS)
    except ModelFault as fault:
        return str(fault)
    except TemplateSyntaxError as error:
        return f"line {error.lineno} of the template: {_said(error)}"
    except Exception as error:  # noqa: BLE001  # a template is a program: it may raise anything
        return f"{type(error).__name__}: {_said(error)}"
    return None


def _said(error: Exception) -> str:
    return one_line(str(error).partition("\n")[0], LONGEST)


if __name__ == "__main__":
    main()
