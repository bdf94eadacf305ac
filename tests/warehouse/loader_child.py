"""
A load in a process of its own, which may die in the middle.

    python tests/warehouse/loader_child.py '{"address": …, "count": …}'

It says `ready`, waits for a line, loads, and says what came of it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator

import pyarrow as pa
from targets import load_of, many

from esms_connectors.gateway.errors import EsmsError
from esms_connectors.warehouse import open_warehouse


def main(
    address: str,
    count: int,
    minute: int = 0,
    status: tuple[int, int] = (5, 2),
    first: int = 0,
    die_after: int | None = None,
    file_limit: int | None = None,
    prepare: bool = False,
) -> None:
    """
    Args:
        die_after: rows that are handed over before this process kills itself.
        file_limit: bytes that no file may exceed, as on a full disk.
        prepare: only make the tables.
    """

    def rows() -> Iterator[pa.RecordBatch]:
        given = 0
        for batch in many(count, tuple(status), first):
            if die_after is not None and given >= die_after:
                os.kill(os.getpid(), signal.SIGKILL)
            given += batch.num_rows
            yield batch
        if die_after is not None:
            os.kill(os.getpid(), signal.SIGKILL)

    print("ready", flush=True)
    sys.stdin.readline()
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    try:
        with open_warehouse(address) as warehouse:
            warehouse.prepare()
            print("loading", flush=True)
            if not prepare:
                warehouse.merge(load_of(count, minute), rows())
    except EsmsError as error:
        print(f"{type(error).__name__}: {error}")
        sys.exit(3)
    print("done")


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
