"""Name a value, and name the code that computes one.

Put here: digests of JSON values, of source code with all it imports, of installed libraries.
Keep out: what a stage's or an encoder's name is made of (`tasks.stage`, `tasks.encoders`).

A module's digest covers its own source and that of every module of ours that it imports, at
any depth and also inside functions, read from the files without importing anything. So a
change two imports away changes the name, and a change elsewhere does not. The HTML templates
in a package's folder count as its source.
"""

import ast
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OURS = ("flows", "tasks", "storage")

ORCHESTRATION = frozenset(
    {"dask", "dask_cuda", "distributed", "filelock", "httpx", "prefect", "psutil", "pydantic"}
)
"""Libraries that decide where and when code runs; no bit of a row depends on them."""

DISTRIBUTIONS = {"PIL": "pillow", "open_clip": "open_clip_torch"}


def digest(value: Any) -> str:  # any JSON value
    """Return the sha256 (64 hex digits) of `value` as canonical JSON.

    Raises:
        TypeError: if `value` is not made of JSON types.
        ValueError: if it holds a NaN or an infinity.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def code_digest(*modules: str) -> str:
    """Return the sha256 of these modules' sources and of all modules of ours that they need.

    Raises:
        ValueError: if a module has no source file under `flows`, `tasks` or `storage`.
    """
    sources = {name: _source(name) for name in modules_needed(*modules)}
    return digest({name: hashlib.sha256(source).hexdigest() for name, source in sources.items()})


def library_versions(*modules: str) -> dict[str, str]:
    """Return the versions of the libraries these modules import, directly or not, by name.

    Libraries of the standard library and of `ORCHESTRATION` are left out.
    """
    versions = {}
    for module in modules_needed(*modules):
        for name in _imports(module):
            top = name.partition(".")[0]
            if top in OURS or top in ORCHESTRATION or top in versions:
                continue
            try:
                versions[top] = importlib.metadata.version(DISTRIBUTIONS.get(top, top))
            except importlib.metadata.PackageNotFoundError:
                continue  # the standard library
    return dict(sorted(versions.items()))


def modules_needed(*modules: str) -> list[str]:
    """Return these modules and all modules of ours that they import, directly or not, sorted.

    Importing `a.b.c` runs `a/__init__` and `a/b/__init__` too, so they count.
    """
    for name in modules:
        if _file(name) is None:
            message = f"module {name!r} has no source file under {', '.join(OURS)}"
            raise ValueError(message)
    needed: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in needed or _file(name) is None:
            continue
        needed.add(name)
        waiting.extend(_imports(name))
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return sorted(needed)


def _file(module: str) -> Path | None:
    if module.partition(".")[0] not in OURS:
        return None
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _source(module: str) -> bytes:
    path = _file(module)
    if path is None:
        return b""
    templates = sorted(path.parent.glob("*.html")) if path.name == "__init__.py" else []
    return b"".join(file.read_bytes() for file in (path, *templates))


def _imports(module: str) -> tuple[str, ...]:
    path = _file(module)
    if path is None:
        return ()
    return _imports_of(module, path.name == "__init__.py", path.read_bytes())


@cache
def _imports_of(module: str, is_package: bool, source: bytes) -> tuple[str, ...]:  # noqa: FBT001
    package = module if is_package else module.rpartition(".")[0]
    return tuple(sorted(set(_names(ast.parse(source), package))))


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
