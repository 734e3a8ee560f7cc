"""The members of a tar, from untrusted bytes.

Put here: walking headers, refusing members that are no plain files with plain names.
Keep out: what members belong together (`tasks.corpora.webdataset`).
Source: POSIX.1-2001 (pax) and the GNU tar manual; one header is parsed by `tarfile`.

Python's own reader trusts sizes: it reads an extended header of any length into memory. This one
walks header by header, never backwards, holds at most `MAX_HEADER_BYTES` of a header, and ends at
the first that is not right.
"""

import tarfile
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, NamedTuple

from tasks.corpora.corpus import Refusal, RefusedPlaceError

BLOCK: Final = 512
MAX_HEADER_BYTES: Final = 64 * 2**10
MAX_MEMBERS: Final = 1_000_000
"""The most members of one tar that are read; what comes after them is refused."""
_GZIP: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_FILES: Final = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_BODILESS: Final = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)


class Member(NamedTuple):
    """A file in a tar: its name, where its bytes lie, and why it must not be read, if so."""

    name: str
    offset: int
    size: int
    refusal: Refusal | None


class _Extended(NamedTuple):
    """What headers in front of a member's own say of it."""

    name: str | None = None
    size: int | None = None


def walk_members(file: BinaryIO, size: int) -> Iterator[Member]:
    """Yield the members of a tar of `size` bytes in order; folders are passed over.

    A name that stood before comes again as `NAME!2` and so on, refused.

    Raises:
        RefusedPlaceError: behind the last member that can be read, if the archive is not whole.
    """
    seen: dict[str, int] = {}
    offset = 0
    extended = _Extended()
    while (header := _header(file, offset, size)) is not None:
        body = offset + BLOCK
        stored = extended.size if extended.size is not None else header.size
        length = 0 if header.type in _BODILESS else stored
        offset = body + -(-length // BLOCK) * BLOCK
        if length < 0:
            raise RefusedPlaceError(
                reason="archive-damaged", detail=f"a size of {length} at byte {body}"
            )
        if body + length > size:
            raise RefusedPlaceError(
                reason="archive-truncated",
                detail=f"a member of {length} bytes at byte {body} of {size}",
            )
        if header.type in (b"L", b"K", b"x", b"g", b"X"):
            extended = _extend(extended, header.type, _read(file, body, length))
            continue
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise RefusedPlaceError(
                reason="archive-damaged", detail=f"a sparse member at byte {body}"
            )
        name = extended.name if extended.name is not None else header.name
        extended = _Extended()
        if header.type == tarfile.DIRTYPE or name.endswith("/"):
            continue
        if len(seen) == MAX_MEMBERS:
            raise RefusedPlaceError(
                reason="archive-too-long", detail=f"more than {MAX_MEMBERS} members"
            )
        yield _member(name, header.type, body, length, seen)


def _header(file: BinaryIO, offset: int, size: int) -> tarfile.TarInfo | None:
    """Return the header at an offset; None at the blocks of zeros that end an archive."""
    if offset >= size:
        raise RefusedPlaceError(
            reason="archive-truncated", detail="no end-of-archive blocks; members may be missing"
        )
    file.seek(offset)
    block = file.read(BLOCK)
    if offset == 0 and block.startswith(_GZIP):
        raise RefusedPlaceError(
            reason="archive-compressed", detail=f"begins with {block[:4]!r}; unpack it"
        )
    if len(block) < BLOCK:
        raise RefusedPlaceError(
            reason="archive-truncated", detail=f"{len(block)} bytes of a header at byte {offset}"
        )
    if not any(block):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        message = f"no header at byte {offset}: {error}"
        raise RefusedPlaceError(reason="archive-damaged", detail=message) from error


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    if length > MAX_HEADER_BYTES:
        message = f"an extended header of {length} bytes at byte {offset}"
        raise RefusedPlaceError(reason="archive-damaged", detail=message)
    file.seek(offset)
    return file.read(length)


def _extend(so_far: _Extended, kind: bytes, body: bytes) -> _Extended:
    if kind == b"L":
        return so_far._replace(name=_name(body.rstrip(b"\0")))
    if kind not in (b"x", b"X"):
        return so_far  # a long link, or what holds for the whole archive
    records = _pax(body)
    if any(key.startswith(b"GNU.sparse") for key in records):
        raise RefusedPlaceError(reason="archive-damaged", detail="a sparse member")
    name = _name(records[b"path"]) if b"path" in records else so_far.name
    size = records.get(b"size")
    if size is None:
        return so_far._replace(name=name)
    if not size.isdigit() or len(size) > 18:
        raise RefusedPlaceError(reason="archive-damaged", detail=f"a size of {size[:20]!r}")
    return _Extended(name, int(size))


def _pax(body: bytes) -> Mapping[bytes, bytes]:
    """Return the records `LENGTH KEY=VALUE` of an extended header."""
    records = {}
    while body.strip(b"\0"):
        length, space, _ = body[:20].partition(b" ")
        count = int(length) if length.isdigit() else 0
        key, equals, value = body[len(length) + 1 : count].partition(b"=")
        if not (space and equals and key and value.endswith(b"\n") and count <= len(body)):
            raise RefusedPlaceError(
                reason="archive-damaged", detail=f"an extended header with {body[:40]!r}"
            )
        records[key] = value[:-1]
        body = body[count:]
    return records


def _name(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _member(name: str, kind: bytes, offset: int, length: int, seen: dict[str, int]) -> Member:
    """Return a member, refused if it is no plain file or its name is no plain, new name."""
    shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    count = seen[shown] = seen.get(shown, 0) + 1
    refusal = None
    if kind not in _FILES:
        refusal = Refusal("not-a-file", f"a member of type {kind!r}")
    elif shown != name or "\0" in name:
        refusal = Refusal("name-not-utf8", "its name is no UTF-8 text")
    elif name.startswith("/") or ".." in name.split("/"):
        refusal = Refusal("path-escapes", "its name leads out of the archive")
    elif count > 1:
        refusal = Refusal("duplicate-member", f"the name stands {count} times")
    return Member(shown if count == 1 else f"{shown}!{count}", offset, length, refusal)
