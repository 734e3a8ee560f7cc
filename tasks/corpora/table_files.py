"""Parquet and Arrow files as tables that are read from any row on, from untrusted bytes.

Put here: opening either format, batches of rows in order, limits, damage.
Keep out: which columns hold what (`tasks.corpora.columns`).

Every batch is validated in full before a value is touched: offsets in a damaged Arrow file may
point anywhere. A damaged file raises `RefusedPlaceError`, from wherever it is met.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.corpora.archives import suffix
from tasks.corpora.corpus import RefusedPlaceError
from tasks.corpora.places import file_size, is_uri, open_place

BATCH_ROWS: Final = 16
"""Rows that are unpacked at once: few, since a row may be a photograph of many megabytes."""

BOMB_RATIO: Final = 100
BOMB_BYTES: Final = 2**28
"""A row group that unpacks to more, and to so many times its file's size, holds no images."""

MAX_HEADER_BYTES: Final = 64 * 2**20
MAX_HEADER_ITEMS: Final = 1_000_000
_ARROW_FILE: Final = b"ARROW1"


class Batch(NamedTuple):
    """Rows in order, the number of the first of them in the file."""

    start: int
    rows: pa.RecordBatch


class TableFile(Protocol):
    """An open file of rows."""

    @property
    def schema(self) -> pa.Schema:
        """The columns."""
        ...

    @property
    def groups(self) -> Sequence[tuple[int, int]]:
        """First row, and row behind the last, of each group that can be read on its own."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def batches(
        self, columns: Sequence[str], start: int, stop: int | None, *, size: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        """Yield rows `start` to `stop`, perhaps with some before and behind them."""
        ...


def open_table(place: str) -> TableFile:
    """Open a Parquet or Arrow file, local or remote.

    Raises:
        RefusedPlaceError: if it is not what its name says.
        RefusedImageError: if it is gone or cannot be read.
        OSError: if a remote system does not answer.
    """
    file = open_place(place)
    try:
        with damage():
            return _Parquet(file) if suffix(place) == ".parquet" else _Arrow(file, place)
    except BaseException:
        file.close()
        raise


@contextmanager
def damage() -> Iterator[None]:
    """Turn what pyarrow raises on broken bytes into `RefusedPlaceError`."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError, OverflowError, EOFError) as error:
        raise RefusedPlaceError(reason="archive-damaged", detail=_words(error)) from error
    except OSError as error:
        if type(error) is not OSError or error.errno is not None:
            raise  # of the file system; pyarrow's own are plain and without a number
        raise RefusedPlaceError(reason="archive-damaged", detail=_words(error)) from error


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]


class _Closing:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


class _Parquet(_Closing):
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._size = file_size(file)
        self._parquet = pq.ParquetFile(
            file,
            pre_buffer=False,
            buffer_size=2**20,
            thrift_string_size_limit=MAX_HEADER_BYTES,
            thrift_container_size_limit=MAX_HEADER_ITEMS,
            arrow_extensions_enabled=False,
        )
        self.schema = self._parquet.schema_arrow
        metadata = self._parquet.metadata
        counts = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
        if min(counts, default=0) < 0:
            raise RefusedPlaceError(
                reason="archive-damaged", detail="a row group of fewer than no rows"
            )
        ends = list(itertools.accumulate(counts))
        self.groups = list(zip([0, *ends], ends, strict=False))

    def batches(
        self, columns: Sequence[str], start: int, stop: int | None, *, size: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        for index, (first, end) in enumerate(self.groups):
            if end <= start or (stop is not None and first >= stop):
                continue
            yield from self._group(index, columns, first, size)

    def _group(self, index: int, columns: Sequence[str], first: int, size: int) -> Iterator[Batch]:
        with damage():
            self._check_size(index)
            found = self._parquet.iter_batches(
                size, row_groups=[index], columns=list(columns), use_threads=False
            )
            for rows in found:
                rows.validate(full=True)
                yield Batch(first, rows)
                first += len(rows)

    def _check_size(self, index: int) -> None:
        """Refuse a group that unpacks to far more than the whole file.

        What its columns say of themselves is not asked: on some damage pyarrow 26 then ends the
        process.
        """
        size = self._parquet.metadata.row_group(index).total_byte_size
        if size > BOMB_BYTES and size > BOMB_RATIO * self._size:
            detail = f"a file of {self._size} bytes would unpack to {size} and more"
            raise RefusedPlaceError(reason="archive-bomb", detail=detail)


class _Arrow(_Closing):
    """An Arrow file or stream; its length is known only when it was read to its end."""

    def __init__(self, file: BinaryIO, place: str) -> None:
        super().__init__(file)
        self._place = place
        self._is_file = file.read(len(_ARROW_FILE)) == _ARROW_FILE
        self.schema = self._open().schema
        self.groups: Sequence[tuple[int, int]] = ()

    def _open(self) -> Any:  # a pyarrow.RecordBatchFileReader or -StreamReader
        """Return a reader that begins at the first batch."""
        self._file.seek(0)
        source = self._file if is_uri(self._place) else pa.memory_map(self._place)
        return pa.ipc.open_file(source) if self._is_file else pa.ipc.open_stream(source)

    def batches(
        self, columns: Sequence[str], start: int, stop: int | None, *, size: int = BATCH_ROWS
    ) -> Iterator[Batch]:
        first = 0
        with damage():
            for rows in self._all():
                if first + len(rows) > start:
                    yield from self._checked(rows.select(list(columns)), first, size)
                first += len(rows)
                if stop is not None and first >= stop:
                    return

    def _all(self) -> Iterator[pa.RecordBatch]:
        reader = self._open()
        if not self._is_file:
            yield from reader
            return
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)

    def _checked(self, rows: pa.RecordBatch, first: int, size: int) -> Iterator[Batch]:
        rows.validate(full=True)
        for offset in range(0, len(rows), size):
            yield Batch(first + offset, rows.slice(offset, size))
