"""
Settings for PostgreSQL that do not depend on poolers or on the defaults of the server.

A pooler may use another session for each transaction, so nothing is set per session, and no statement is prepared on
the server. All settings are made per transaction.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping

CONNECT_SECONDS = 30
# Detects a dead host: three keepalive probes after 30 s of silence; unacknowledged data is given up after 60 s.
_CONNECTION: Mapping[str, int] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


# The options of libpq besides address and user; those in the extra of an Airflow connection are passed on.
_OPTIONS = """
    application_name channel_binding connect_timeout gssdelegation gssencmode gsslib hostaddr keepalives
    keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts options passfile
    require_auth requirepeer ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression
    sslcrl sslcrldir sslkey sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs
    tcp_user_timeout
"""
LIBPQ_OPTIONS = frozenset(_OPTIONS.split())


def connection_settings(given: Mapping[str, object]) -> dict[str, object]:
    """Additional arguments of `psycopg.connect`, except those that the address sets."""
    return {**libpq_settings(given), "prepare_threshold": None}


def libpq_settings(given: Mapping[str, object]) -> dict[str, object]:
    """The same for psycopg2, which does not prepare statements."""
    return {name: value for name, value in _CONNECTION.items() if name not in given}


def sqlalchemy_driver() -> str:
    """
    The driver for `postgresql://`: psycopg 3, otherwise the psycopg2 that Airflow's PostgreSQL provider installs.
    SQLAlchemy 1.4 only supports psycopg2.
    """
    both = ("psycopg", "sqlalchemy.dialects.postgresql.psycopg")
    if not all(map(importlib.util.find_spec, both)) and importlib.util.find_spec("psycopg2"):
        return "postgresql+psycopg2"
    return "postgresql+psycopg"


def transaction_settings(
    *, lock_seconds: int, statement_seconds: int, idle_seconds: int = 0, durable: bool = False
) -> str:
    """
    The first statement of a transaction; 0 is no limit.

    Args:
        lock_seconds: to wait for locks.
        statement_seconds: for one statement, including that wait.
        idle_seconds: between two statements; a process frozen within a transaction would block all others.
        durable: the commit survives a power failure, even if the server's default is an asynchronous commit.
    """
    settings = {
        "lock_timeout": f"'{lock_seconds * 1000}'",
        "statement_timeout": f"'{statement_seconds * 1000}'",
        "idle_in_transaction_session_timeout": f"'{idle_seconds * 1000}'",
    }
    if durable:
        settings["synchronous_commit"] = (
            "CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
            "ELSE current_setting('synchronous_commit') END"
        )
    return "SELECT " + ", ".join(f"set_config('{name}', {value}, true)" for name, value in settings.items())


# SQLSTATE classes of temporary errors: lost connections, deadlocks, full disks, too many connections, lock timeouts, a
# server that stops or starts.
PASSING_STATES = ("08", "40", "53", "55", "57")

# While connecting there are messages but no SQLSTATE.
_SETUP_WORDS = re.compile(r"authentication|password|pg_hba|does not exist|not permitted|certificate|invalid", re.I)


def is_passing(state: str | None, words: str) -> bool:
    """
    Whether an error is temporary, as opposed to one that the user must fix.

    Args:
        state: its SQLSTATE, if it has one.
        words: its message, for an error while connecting.
    """
    return state.startswith(PASSING_STATES) if state else _SETUP_WORDS.search(words) is None
