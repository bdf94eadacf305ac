"""
The tables and the statements of the merge, in SQL that DuckDB and PostgreSQL share.

`stored` are the rows of the table, `chunk` the incoming rows. Parameters are written `$name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.states import DeliveryState
from esms_connectors.warehouse.contract import COLUMNS, HISTORY, LOADS, MESSAGES, ROW_SCHEMA, TABLES

# Type names that DuckDB and PostgreSQL share.
TYPES = {
    MESSAGES: {
        "row_key": "text NOT NULL",
        "message_id": "text",
        "phone": "text",
        "sms_type": "integer",
        "campaign": "text",
        "content": "text",
        "price_vnd": "numeric(18,4)",
        "send_status": "integer",
        "send_result": "integer",
        "status_text": "text",
        "state": "text NOT NULL",
        "sent_at": "timestamptz",
        "portal_id": "text",
        "window_start": "timestamptz NOT NULL",
        "window_end": "timestamptz NOT NULL",
        "first_seen_at": "timestamptz NOT NULL",
        "changed_at": "timestamptz NOT NULL",
        "regressed_to": "text",
        "load_number": "bigint NOT NULL",
    },
    HISTORY: {
        "row_key": "text NOT NULL",
        "observed_at": "timestamptz NOT NULL",
        "from_state": "text NOT NULL",
        "to_state": "text NOT NULL",
        "from_status": "integer",
        "from_result": "integer",
        "to_status": "integer",
        "to_result": "integer",
        "applied": "boolean NOT NULL",
        "load_number": "bigint NOT NULL",
    },
    LOADS: {
        "sms_type": "integer NOT NULL",
        "window_start": "timestamptz NOT NULL",
        "window_end": "timestamptz NOT NULL",
        "planned_at": "timestamptz NOT NULL",
        "planned_number": "bigint NOT NULL",
        "read_number": "bigint",
        "read_at": "timestamptz",
        "loaded_at": "timestamptz",
        "closed": "boolean NOT NULL",
        "counted_at": "timestamptz",
        "row_count": "bigint NOT NULL",
        "count_total": "bigint",
        "open_rows": "bigint NOT NULL",
        "inserted": "bigint NOT NULL",
        "changed": "bigint NOT NULL",
        "regressed": "bigint NOT NULL",
        "digest": "text NOT NULL",
        "load_count": "bigint NOT NULL",
        "privacy": "text NOT NULL",
    },
}

_ROW_COLUMNS = ROW_SCHEMA.names
# The columns from the gateway. The window is not compared: it tells where the row was first found.
_COMPARED = [name for name in _ROW_COLUMNS if name not in ("row_key", "window_start", "window_end")]
_STATUS = ("send_status", "send_result", "status_text", "state")
# What usually changes. The other columns of a row are written only if one of them differs as well.
CHANGEABLE = (*_STATUS, "price_vnd")
FINAL = ", ".join(f"'{state.value}'" for state in DeliveryState if state.is_final)


class Staged(NamedTuple):
    """A temporary table."""

    name: str
    columns: str


def _differs(names: Iterable[str]) -> str:
    return "(" + " OR ".join(f"stored.{name} IS DISTINCT FROM chunk.{name}" for name in names) + ")"


def _columns_of(table: str) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in TYPES[table].items())


# Staged tables with explicit columns, because DuckDB 2.0.0 loses rows of a table created by
# CREATE ... AS SELECT ... LIMIT 0.
CHUNK = Staged("esms_chunk", ", ".join(f"{name} {TYPES[MESSAGES][name]}" for name in _ROW_COLUMNS))
VERDICT = Staged(
    "esms_verdict",
    "row_key text, verdict text, noted boolean, whole boolean, from_state text, to_state text, "
    "from_status integer, from_result integer, to_status integer, to_result integer",
)
PLANNED = Staged("esms_planned", "sms_type integer, window_start timestamptz, window_end timestamptz")
ERASED = Staged("esms_erased", "row_key text")

# DuckDB gets neither a key nor an index: it joins by scanning and hashing anyway, and with 1 000 000 rows a key doubled
# the file size, needed half as much memory again and made nothing faster. `overlap` keeps it fast and its memory flat
# by skipping the rows of other days. This is safe: rows belong to windows by their creation time, which never changes,
# so only a window that overlaps or touches this one can have brought a row before.
JUDGE = f"""
SELECT chunk.row_key, CASE
        WHEN stored.row_key IS NULL THEN 'new'
        WHEN stored.sms_type <> chunk.sms_type THEN 'other'
        WHEN stored.load_number > $number THEN 'same'
        WHEN stored.state IN ({FINAL}) AND chunk.state NOT IN ({FINAL})
            THEN CASE WHEN stored.regressed_to IS DISTINCT FROM chunk.state THEN 'back' ELSE 'same' END
        WHEN stored.regressed_to IS NOT NULL OR {_differs(_COMPARED)} THEN 'changed'
        ELSE 'same' END AS verdict,
    stored.regressed_to IS NOT NULL OR {_differs(_STATUS)} AS noted,
    {_differs(name for name in _COMPARED if name not in CHANGEABLE)} AS whole,
    stored.state AS from_state, chunk.state AS to_state,
    stored.send_status AS from_status, stored.send_result AS from_result,
    chunk.send_status AS to_status, chunk.send_result AS to_result
FROM esms_chunk AS chunk LEFT JOIN {MESSAGES} AS stored ON stored.row_key = chunk.row_key {{overlap}}
"""

# The same id and phone with two types are two messages: a resend may carry the id of the first attempt.
OTHERS = "SELECT row_key FROM esms_verdict WHERE verdict = 'other'"

# The rows of a chunk are searched for here first: stored and incoming rows are both ordered by time, so most stored
# rows need not be read. Rows not found here may be anywhere else.
SENT_WHEN_CHUNK_WAS = " AND stored.sent_at BETWEEN $sent_from AND $sent_to"

NEW = "esms_verdict WHERE verdict = 'new'"

# A folder can hold a row twice: under two days that were loaded at once, or that list it with different times of
# sending, both final, so that the merge of neither searches the other. The final one stays, else the latest.
REMOVE_DOUBLES = f"""
DELETE FROM {MESSAGES} WHERE rowid IN (SELECT rowid FROM (
    SELECT rowid, row_number() OVER (PARTITION BY {{same}} ORDER BY state IN ({FINAL}) DESC, load_number DESC) AS place
    FROM {MESSAGES} AS stored WHERE row_key IN ({{twice}}) {{overlap}}
) WHERE place > 1)
"""
FOUND_TWICE = "SELECT row_key FROM esms_verdict GROUP BY row_key HAVING count(*) > 1"

COUNT_VERDICTS = "SELECT verdict, count(*) FROM esms_verdict GROUP BY verdict"

NOTE = f"""
INSERT INTO {HISTORY}
    (row_key, observed_at, from_state, to_state, from_status, from_result, to_status, to_result, applied, load_number)
SELECT row_key, $read_at, from_state, to_state, from_status, from_result, to_status, to_result, verdict = 'changed',
    $number
FROM esms_verdict WHERE verdict = 'back' OR (verdict = 'changed' AND noted)
"""

# `load_number` is set here as well: a load older than the flag must not clear it.
FLAG = f"""
UPDATE {MESSAGES} AS stored SET regressed_to = verdict.to_state, changed_at = $read_at, load_number = $number
FROM esms_verdict AS verdict
WHERE stored.row_key = verdict.row_key AND verdict.verdict = 'back' {{overlap}}
"""

_CHANGED = "(SELECT row_key FROM esms_verdict WHERE verdict = 'changed')"


def _change(names: Iterable[str]) -> str:
    return f"""
UPDATE {MESSAGES} AS stored SET {", ".join(f"{name} = chunk.{name}" for name in names)},
    changed_at = $read_at, regressed_to = NULL, load_number = $number
FROM (SELECT * FROM esms_chunk WHERE row_key IN {_CHANGED}) AS chunk
WHERE stored.row_key = chunk.row_key {{overlap}}
"""


CHANGE = {False: _change(CHANGEABLE), True: _change(_COMPARED)}  # by the result of CHANGED_WHOLE
CHANGED_WHOLE = "SELECT 1 FROM esms_verdict WHERE verdict = 'changed' AND whole LIMIT 1"

# DuckDB holds updated rows in memory until the commit, with all columns, so many rows are deleted and inserted instead.
# That leaves gaps in the file, which the commit compacts; for few rows this would cost more.
REPLACED = Staged(
    "esms_replaced", "row_key text, window_start timestamptz, window_end timestamptz, first_seen_at timestamptz"
)
KEEP_REPLACED = f"""
SELECT row_key, window_start, window_end, first_seen_at FROM {MESSAGES} AS stored
WHERE row_key IN {_CHANGED} {{overlap}}
"""

REMOVE_REPLACED = f"DELETE FROM {MESSAGES} AS stored WHERE row_key IN {_CHANGED} {{overlap}}"

PUT_ANEW = f"""
INSERT INTO {MESSAGES}
    (row_key, {", ".join(_COMPARED)}, window_start, window_end, first_seen_at, changed_at, regressed_to, load_number)
SELECT chunk.row_key, {", ".join(f"chunk.{name}" for name in _COMPARED)}, replaced.window_start, replaced.window_end,
    replaced.first_seen_at, $read_at, NULL, $number
FROM esms_chunk AS chunk JOIN esms_replaced AS replaced ON replaced.row_key = chunk.row_key
"""

INSERT_ALL = f"""
INSERT INTO {MESSAGES} ({", ".join(_ROW_COLUMNS)}, first_seen_at, changed_at, regressed_to, load_number)
SELECT {", ".join(_ROW_COLUMNS)}, $read_at, $read_at, NULL, $number FROM esms_chunk
"""

INSERT = f"{INSERT_ALL} WHERE row_key IN (SELECT row_key FROM {NEW})"

# For tables with a key. Rows that are not inserted exist already and are judged.
INSERT_UNLESS_THERE = f"{INSERT_ALL} ON CONFLICT (row_key) DO NOTHING"

TOUCHES = "stored.window_start <= $window_end AND stored.window_end >= $window_start"
OVERLAP = f"AND {TOUCHES}"

# A gateway may list a row under several windows: one that goes by the time of sending moves it, one that goes by no
# time lists it everywhere. So the rows that a load inserted are looked for in the other windows of about a month, as
# hashes, because they may be many; a collision only costs a lookup.
NEAR = timedelta(days=31)
_INSERTED = (
    "window_start = $window_start AND window_end = $window_end AND load_number = $number AND first_seen_at = $read_at"
)
ELSEWHERE = Staged("esms_elsewhere", "key_hash ubigint")
KEEP_ELSEWHERE = f"""
SELECT hash(stored.row_key) AS key_hash FROM {MESSAGES} AS stored WHERE NOT ({TOUCHES})
    AND stored.window_start <= $near_end AND stored.window_end >= $near_start
    AND hash(stored.row_key) IN (SELECT hash(row_key) FROM {MESSAGES} WHERE {_INSERTED})
"""
_IS_ELSEWHERE = "hash({0}.row_key) IN (SELECT key_hash FROM esms_elsewhere)"
TOUCHING_OR_ELSEWHERE = f"AND ({TOUCHES} OR {_IS_ELSEWHERE.format('stored')})"
READ_DOUBLES = f"""
SELECT {", ".join(_ROW_COLUMNS)} FROM {MESSAGES} AS stored
WHERE {_INSERTED} AND {_IS_ELSEWHERE.format("stored")} LIMIT $most
"""
REMOVE_STAGED = f"DELETE FROM {MESSAGES} WHERE {_INSERTED} AND row_key IN (SELECT row_key FROM esms_chunk)"

# Days that only touch do not count: they share one second at most.
WAS_LOADED = f"""
SELECT 1 FROM {LOADS} WHERE sms_type = $sms_type AND row_count > 0
    AND window_start < $window_end AND window_end > $window_start LIMIT 1
"""

_THIS_LOAD = "sms_type = $sms_type AND window_start = $window_start AND window_end = $window_end"

# LOAD_RENEWED ignores a load older than the recorded one, as the merge does with its rows.
LOAD_NOTED = f"""
UPDATE {LOADS} SET load_count = load_count + 1, loaded_at = $loaded_at
WHERE {_THIS_LOAD}
"""

LOAD_RENEWED = f"""
UPDATE {LOADS} SET read_number = $number, read_at = $read_at, closed = $closed, row_count = $row_count,
    count_total = $count_total, open_rows = $open_rows, inserted = $inserted, changed = $changed,
    regressed = $regressed, digest = $digest, privacy = $privacy
WHERE {_THIS_LOAD} AND (read_number IS NULL OR read_number <= $number)
"""

LAST_NUMBER = f"SELECT max(planned_number) FROM {LOADS}"

_PLANNED_LINE = """stored.sms_type = planned.sms_type AND stored.window_start = planned.window_start
    AND stored.window_end = planned.window_end"""

PLAN_AGAIN = f"""
UPDATE {LOADS} AS stored SET planned_at = $planned_at, planned_number = $number FROM esms_planned AS planned
WHERE {_PLANNED_LINE} AND stored.planned_number < $number
"""

COUNTED = f"UPDATE {LOADS} AS stored SET counted_at = $counted_at FROM esms_planned AS planned WHERE {_PLANNED_LINE}"

PLAN = f"""
INSERT INTO {LOADS} (sms_type, window_start, window_end, planned_at, planned_number, closed, row_count, open_rows,
    inserted, changed, regressed, digest, load_count, privacy)
SELECT DISTINCT sms_type, window_start, window_end, $planned_at, $number, false, 0, 0, 0, 0, 0, '', 0, $privacy
FROM esms_planned AS planned WHERE NOT EXISTS (SELECT 1 FROM {LOADS} AS stored
    WHERE {_PLANNED_LINE})
"""

OTHER_PRIVACY = f"SELECT privacy FROM {LOADS} WHERE privacy <> $privacy LIMIT 1"

ERASE = (
    (HISTORY, f"DELETE FROM {HISTORY} WHERE row_key IN (SELECT row_key FROM {MESSAGES} WHERE phone = $phone)"),
    (MESSAGES, f"DELETE FROM {MESSAGES} WHERE phone = $phone"),
)
ERASE_KEYS = tuple(
    (table, f"DELETE FROM {table} WHERE row_key IN (SELECT row_key FROM esms_erased)") for table in (HISTORY, MESSAGES)
)
KEYS = f"SELECT row_key, message_id FROM {MESSAGES}"

READ_LOADS = f"SELECT {', '.join(TYPES[LOADS])} FROM {LOADS} ORDER BY sms_type, window_start, window_end"


def table_statements(constraints: Mapping[str, str], *, comments: bool = True) -> Iterator[str]:
    """Statements that create the tables with comments. `constraints`: table -> SQL appended to its columns."""
    for table in COLUMNS:
        yield f"CREATE TABLE {table} ({_columns_of(table)}{constraints.get(table, '')})"
        if not comments:
            continue
        yield f"COMMENT ON TABLE {table} IS {_quoted(TABLES[table])}"
        for column, holds in COLUMNS[table].items():
            yield f"COMMENT ON COLUMN {table}.{column} IS {_quoted(holds)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_SPELLINGS = {
    "character varying": "text",
    "varchar": "text",
    "timestamp with time zone": "timestamptz",
    "decimal(18,4)": "numeric(18,4)",
}


def find_missing_tables(found: Iterable[tuple[str, str, str]]) -> bool:
    """
    Args:
        found: (table, column, type) of all existing tables with our names.

    Returns:
        Whether the tables must be created.

    Raises:
        ConfigurationError: existing tables have our names but other columns, or some of ours are missing.
    """
    there: dict[str, dict[str, str]] = {}
    for table, column, kind in found:
        there.setdefault(table, {})[column] = _SPELLINGS.get(kind.lower(), kind.lower())
    for table in there:
        wanted = {column: kind.removesuffix(" NOT NULL") for column, kind in TYPES[table].items()}
        wrong = [column for column in wanted if there[table].get(column) != wanted[column]]
        extra = [column for column in there[table] if column not in wanted]
        if wrong or extra:
            named = ", ".join([*wrong, *extra][:3])
            raise ConfigurationError(
                f"The table {table} already exists but was not created by esms-connectors (column {named}): use "
                "another database or schema, or rename that table."
            )
    if there and len(there) < len(COLUMNS):
        raise ConfigurationError(
            f"Of the tables of esms-connectors, only {', '.join(sorted(there))} exists: restore the others, or remove "
            "it."
        )
    return not there
