"""Process that asks wandb whose login this machine has; prints one line of JSON."""

from __future__ import annotations

import json
import os
import tempfile

REQUEST_TIMEOUT_S = 20


def main() -> None:
    """Answer one request."""
    reports = os.fdopen(os.dup(1), "wb")  # the client prints
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    folder = tempfile.gettempdir()
    os.environ.update(
        {f"WANDB_{name}_DIR": folder for name in ("ARTIFACT", "CACHE", "CONFIG", "DATA")}
    )
    os.environ.update(
        WANDB_DIR=folder,
        WANDB_ERROR_REPORTING="false",
        WANDB_HTTP_TIMEOUT=str(REQUEST_TIMEOUT_S),
        WANDB_SILENT="true",
        WANDB_X_GRAPHQL_RETRY_MAX="1",
    )
    reports.write(json.dumps(_answer()).encode() + b"\n")
    reports.flush()
    os._exit(0)  # the guard ends the client's native process


def _answer() -> dict[str, str]:
    try:
        import wandb
        from wandb.errors import Error
        from wandb.sdk.lib.service.service_connection import WandbApiFailedError
    except ModuleNotFoundError as error:
        return {"failed": str(error)}
    try:
        viewer = wandb.Api(timeout=REQUEST_TIMEOUT_S).viewer
        return {"user": str(viewer.username)}
    except (Error, WandbApiFailedError) as error:
        return {"failed": str(error)}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return {"failed": f"the client cannot read an answer: {type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
