"""Prefect's settings for this project: offline, silent, on loopback, all data under the home.

Put here: environment variables that must be set before Prefect is imported, and the token.
Keep out: starting processes (`flows.server`, `flows.up`).
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

UNSET = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILES_PATH")


def token(home: Path) -> str:
    """Return the secret that this home's Prefect server asks for, made at the first call.

    It lies in a file that only its owner can read.
    """
    path = home / "prefect" / "token"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".token.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(24))
        try:
            os.link(draft, path)  # the first of two processes wins, whole
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def prefect_environment(home: Path, store: str, port: int) -> Mapping[str, str]:
    """Return the variables under which server, worker, flows and Prefect's command agree."""
    address = f"http://127.0.0.1:{port}"
    secret = f"mmvp:{token(home)}"
    return {
        "MMVP_HOME": str(home),
        "MMVP_STORE": store,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"{address}/api",
        "PREFECT_API_AUTH_STRING": secret,
        "PREFECT_SERVER_API_AUTH_STRING": secret,
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        # Any web page could otherwise talk to the server: Prefect's default for CORS is "*".
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{address},http://localhost:{port}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "prefect" / "ui"),
        # Leases in memory never come back after a crash: a run's slot would be lost for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "flows,tasks,storage",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_LOCAL_STORAGE_PATH": str(home / "results"),
    }


def apply(variables: Mapping[str, str]) -> None:
    """Set variables of this process; Prefect must not have been imported yet."""
    for name in UNSET:
        os.environ.pop(name, None)
    os.environ.update(variables)
