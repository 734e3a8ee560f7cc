"""Compile the miner's inner loops once a machine and keep the machine code.

Put here: where compiled code is kept and how a function is compiled.
Keep out: what is compiled (`scan`, `verify`), whether it works on this machine (`selftest`).

numba notices a change of the file that a cached function stands in, but not of the files that it
takes names from. So the folder of the cache is named by a digest of all sources of this package.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import Any

import numba

OPTIONS = {"nogil": True, "error_model": "numpy", "cache": True}
"""No fast-math: sums keep their order, so that bits are the same on every machine."""

DECORATING = Lock()
"""numba has one cache folder at a time for all threads."""


@cache
def source_digest() -> str:
    """Return 16 hex digits that name the sources of this package."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    parts = [source.name.encode() + b"\0" + source.read_bytes() for source in sources]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@cache
def cache_folder() -> Path:
    """Return a folder for compiled code that can be written: the user's, else a temporary one."""
    mac = Path("~/Library/Caches") if sys.platform == "darwin" else Path("~/.cache")
    base = Path(os.environ.get("XDG_CACHE_HOME") or mac.expanduser())
    folder = base / "mmvp" / f"kernels-{source_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:  # a home that is read-only or not there, as in containers
        return Path(tempfile.mkdtemp(prefix="mmvp-kernels-"))


def compiled(function: Any, suffix: str = "", **names: Any) -> Callable[..., Any]:
    """Compile a function of a module, with `names` in place of its module's globals.

    A copy with globals of its own, not a closure: numba cannot find closures over intrinsics in
    its cache again. `suffix` keeps such copies apart there.
    """
    copy = FunctionType(
        function.__code__, {**function.__globals__, **names}, function.__name__ + suffix
    )
    copy.__qualname__ = copy.__name__
    copy.__module__ = function.__module__
    with DECORATING:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(cache_folder())  # read when the function is decorated
        try:
            done: Callable[..., Any] = numba.njit(**OPTIONS)(copy)
        finally:
            numba.config.CACHE_DIR = before
    return done
