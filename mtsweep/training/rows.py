"""The columns that trainers take, in memory or, where there are many rows, on disk."""

from __future__ import annotations

import mmap
import weakref
from typing import IO, Any

from mtsweep import store
from mtsweep.data import spill
from mtsweep.errors import RunFailedError
from mtsweep.models.ragged import Ragged

HELD = 2**28
"""Bytes of rows that are held in memory; more of them are read from disk as they are asked for."""


class Table:
    """An Arrow table of ``input_ids`` and ``labels`` that is added to."""

    def __init__(self) -> None:
        import pyarrow as pa

        ids = pa.list_(pa.int32())
        self._schema: Any = pa.schema([("input_ids", ids), ("labels", ids)])
        self._held: list[Any] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None

    def add(self, ids: Ragged, labels: Ragged) -> None:
        """Put rows behind the others.

        Raises:
            RunFailedError: if the disk is full.
        """
        import pyarrow as pa

        columns = [_column(ids), _column(labels)]
        batch: Any = pa.record_batch(columns, schema=self._schema)
        self._held.append(batch)
        self._bytes += batch.nbytes
        if self._file is not None or self._bytes > HELD or spill.scarce(self._bytes):
            try:
                self._put_away()
            except OSError as error:
                raise _no_room(error) from error

    def _put_away(self) -> None:
        import pyarrow as pa

        if self._file is None:
            self._file = store.scratch()
            weakref.finalize(self, self._file.close)
            self._writer = pa.ipc.new_file(self._file, self._schema)
        for batch in self._held:
            self._writer.write_batch(batch)
        self._held.clear()

    def whole(self) -> Any:  # noqa: ANN401 - an Arrow table
        """All rows.

        Raises:
            RunFailedError: if the disk is full.
        """
        import pyarrow as pa

        if self._file is None:
            return pa.Table.from_batches(self._held, self._schema)
        with self._file as file:
            try:
                self._writer.close()
                file.flush()
            except OSError as error:
                raise _no_room(error) from error
            body = pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return pa.ipc.open_file(pa.BufferReader(body)).read_all()


def _no_room(error: OSError) -> RunFailedError:
    return RunFailedError(store.no_room(error, "the token ids", "take fewer pairs with data.size"))


def _column(rows: Ragged) -> Any:  # noqa: ANN401 - an Arrow array, of types that pyarrow does not tell
    import pyarrow as pa

    return pa.ListArray.from_arrays(pa.array(rows.starts, pa.int32()), pa.array(rows.values))
