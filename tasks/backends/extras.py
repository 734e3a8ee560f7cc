"""Libraries of single providers: imported when used, and their errors made failures.

Put here: what the adapters of such libraries share.
Keep out: the translation of requests and replies (`anthropic`, `gemini`, beside this file).
"""

import asyncio
import importlib
from collections.abc import Awaitable
from types import ModuleType
from typing import Any

from tasks.backends.failures import status_failure
from tasks.backends.request import Failure
from tasks.backends.secrets import Secret


def library(name: str, *, extra: str) -> ModuleType:
    """Import an optional library.

    Raises:
        ImportError: if it is not installed, with what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = f"{name} is not installed; install the extra: pip install 'mmvp[{extra}]'"
        raise ImportError(message) from error


async def sdk_failure(
    call: Awaitable[Any], key: Secret, timeout_s: float
) -> tuple[Failure | None, Any]:
    """Await a call of a library: a failure and None, or None and what it returned.

    Libraries name the HTTP status of an error `status_code` or `code`; one without is of the way
    there. A TypeError, of arguments that the library does not know, is raised as it is.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return None, await call
    except TimeoutError:
        return Failure(reason="timeout", message=f"no reply within {timeout_s} s"), None
    except TypeError:
        raise
    except ValueError as error:  # of a body that the library could not read
        said = key.hide(str(error))[:300]
        return Failure(reason="bad-reply", message=f"{type(error).__name__}: {said}"), None
    except Exception as error:  # each library has its own classes
        said = key.hide(str(error))
        status = getattr(error, "status_code", None) or getattr(error, "code", None)
        if isinstance(status, int):
            headers = getattr(getattr(error, "response", None), "headers", None) or {}
            return status_failure(status, said, headers), None
        late = "timeout" in type(error).__name__.lower()
        message = f"{type(error).__name__}: {said}"
        return Failure(reason="timeout" if late else "server-error", message=message), None


def plain(answer: Any) -> Any:
    """Return what a library's answer holds; of what it could not read it hands on the text."""
    return answer.model_dump(mode="json") if hasattr(answer, "model_dump") else answer
