"""Recipients in the memory of this process: a list, the rows of a generator, a data frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.recipients.frames import is_frame

NOT_STORED = (
    "rows in memory are not stored with a run: the Prefect server would keep everybody's phone. Write them to a file "
    "and give its path, or call the flow in the process that has them"
)


class MemoryRows:
    """
    Rows as an argument of flows and tasks, which can be read repeatedly.

    Deliberately neither a model nor a collection: Prefect searches those for futures, row by row, and shows them. The
    rows stay in this process and are never passed to a task runner, result storage or the server.
    """

    __slots__ = ("_rows",)

    def __init__(self, rows: Any) -> None:
        if hasattr(rows, "read_all") and hasattr(rows, "read_next_batch"):
            rows = rows.read_all()
        # A generator can be read only once, but the rows are read twice: to check them and to send them.
        self._rows = list(rows) if isinstance(rows, Iterator) else rows

    @property
    def rows(self) -> Any:
        """
        Raises:
            InvalidRequestError: the rows stayed in the process that pickled this.
        """
        if self._rows is None:
            raise InvalidRequestError(
                "The rows are in the memory of another process. Write them to a file, and give its path.",
                field="source",
            )
        return self._rows

    def __repr__(self) -> str:
        return "MemoryRows(…)"

    def __reduce__(self) -> tuple[Any, ...]:
        return MemoryRows, (None,)

    def __deepcopy__(self, memo: object) -> MemoryRows:
        return self  # a deep copy stays in this process

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "object"}, "title": "Rows"}


def read_source(value: object) -> str | MemoryRows | None:
    """
    The source of a campaign: a path as text, or anything with rows as one object.

    Raises:
        ValueError: it is neither.
    """
    if value is None or isinstance(value, str | MemoryRows):
        return value
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if is_frame(value) or (isinstance(value, Iterable) and not isinstance(value, bytes | Mapping)):
        return MemoryRows(value)
    raise ValueError("give a path or URL, or rows: a list with a mapping for each, or a frame")
