"""
Translates the shared statements and types to MySQL.

MySQL lacks `IS DISTINCT FROM`, `UPDATE … FROM`, `ON CONFLICT`, text columns in keys and times with a zone. Each is
replaced by MySQL's equivalent in the text of the statement, so that the merge itself is defined in one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.warehouse.contract import COLUMNS, HISTORY, LOADS, MESSAGES, TABLES
from esms_connectors.warehouse.merge_sql import TYPES

_PARAMETER = re.compile(r"\$(\w+)")
_DISTINCT = re.compile(r"(\w+\.\w+) IS DISTINCT FROM (\w+\.\w+)")
# The source is a table, or a query in parentheses.
_UPDATE = re.compile(r"UPDATE (\w+) AS stored SET (.*?)\sFROM (\(.*\) AS \w+|\w+ AS \w+)\s+WHERE ", re.DOTALL)
_TARGET = re.compile(r"(?:^|(?<=,))\s*(\w+) =")
_UNLESS_THERE = re.compile(r"INSERT INTO (.*) ON CONFLICT \(row_key\) DO NOTHING", re.DOTALL)
_POSITION = re.compile(r"strpos\(")


@cache
def in_mysql(statement: str) -> str:
    """A shared statement for MySQL, with PyMySQL's parameter style."""
    text = statement.replace("%", "%%").strip()
    text = _UPDATE.sub(_update, text)
    text = _DISTINCT.sub(r"NOT (\1 <=> \2)", text)
    # IGNORE skips existing rows; staged rows cannot cause any other error.
    text = _UNLESS_THERE.sub(r"INSERT IGNORE INTO \1", text)
    text = _POSITION.sub("INSTR(", text).replace("current_schema()", "DATABASE()")
    return _PARAMETER.sub(r"%(\1)s", text)


def _update(found: re.Match[str]) -> str:
    table, changes, source = found.groups()
    # STRAIGHT_JOIN fixes the order: staged rows look up stored ones, regardless of the statistics.
    changes = _TARGET.sub(r" stored.\1 =", changes)
    return f"UPDATE {source} STRAIGHT_JOIN {table} AS stored SET{changes} WHERE "


# --- rows ------------------------------------------------------------------------------------------------------------

# Well below `max_allowed_packet`, which is 16 MB or more.
_STATEMENT_SIZE = 1_000_000


def as_values(rows: pa.Table) -> Iterator[str]:
    """
    Rows as VALUES lists, each small enough for one statement. Built by column, without a Python object per value.

    They require a UTF-8 connection on which backslash is an escape character.
    """
    if not rows.num_rows:
        return
    columns = [_literals(column) for column in rows.combine_chunks().columns]
    waiting, size = [], 0
    for row in pc.binary_join_element_wise(*columns, ",").to_pylist():
        waiting.append(row)
        size += len(row)
        if size >= _STATEMENT_SIZE:
            yield f"({'),('.join(waiting)})"
            waiting, size = [], 0
    if waiting:
        yield f"({'),('.join(waiting)})"


def _literals(column: pa.ChunkedArray) -> pa.ChunkedArray:
    is_time, is_text = pa.types.is_timestamp(column.type), pa.types.is_string(column.type)
    texts = (column.cast(pa.timestamp(column.type.unit)) if is_time else column).cast(pa.string())
    if is_text:
        texts = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), "'", "''")
    if is_time or is_text:
        texts = pc.binary_join_element_wise("'", texts, "'", "")
    return pc.fill_null(texts, "NULL")


# --- types -----------------------------------------------------------------------------------------------------------

# An index key has at most 3072 bytes.
KEY_LENGTH = 700
_KEY_TYPE, _WORD_TYPE, _TEXT_TYPE, _TIME_TYPE = f"varchar({KEY_LENGTH})", "varchar(32)", "mediumtext", "datetime(6)"
_WORDS = ("state", "from_state", "to_state", "regressed_to", "verdict")
_SHARED = {"int": "integer", "tinyint(1)": "boolean", _TIME_TYPE: "timestamptz"} | dict.fromkeys(
    (_KEY_TYPE, _WORD_TYPE, _TEXT_TYPE), "text"
)
_KEYS = {
    MESSAGES: ", PRIMARY KEY (row_key), KEY esms_sent_messages_window (window_start)"
    ", KEY esms_sent_messages_sent (sent_at)",
    HISTORY: ", KEY esms_status_history_row (row_key)",
    LOADS: ", PRIMARY KEY (sms_type, window_start, window_end)",
}


def _as_mysql(name: str, kind: str, keys: str) -> str:
    word = kind.removesuffix(" NOT NULL")
    mine = {"timestamptz": _TIME_TYPE, "text": _TEXT_TYPE, "varchar": _TEXT_TYPE}.get(word, word)
    if mine == _TEXT_TYPE and name in _WORDS:
        mine = _WORD_TYPE
    if mine == _TEXT_TYPE and f"({name})" in keys:
        mine = _KEY_TYPE
    return mine + kind[len(word) :]


def type_as_shared(kind: str) -> str:
    """A type of `information_schema` -> the shared type name. Older servers report integers with a width."""
    plain = re.sub(r"^(int|bigint)\(\d+\)", r"\1", kind.lower())
    return _SHARED.get(plain, plain)


def columns_as_mysql(
    types: Iterable[tuple[str, str]], collation: str, keys: str = "", comments: Mapping[str, str] = MappingProxyType({})
) -> str:
    """The part of CREATE TABLE after the table name."""
    columns = ", ".join(
        f"{name} {_as_mysql(name, kind, keys)}" + (f" COMMENT {_quoted(comments[name])}" if name in comments else "")
        for name, kind in types
    )
    return f"({columns}{keys}) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {collation}"


def tables_in_mysql(collation: str) -> Iterator[str]:
    """Statements that create the tables with comments."""
    for table, columns in COLUMNS.items():
        made = columns_as_mysql(TYPES[table].items(), collation, _KEYS[table], columns)
        yield f"CREATE TABLE IF NOT EXISTS {table} {made} COMMENT={_quoted(TABLES[table])}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
