"""
What connections to PostgreSQL need, whatever stands between and whatever defaults somebody has set.

A pooler may hand another session to each transaction, so nothing is set for a session, and no statement is prepared on
the server. What a transaction needs it is told itself.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

CONNECT_SECONDS = 30
# A host that is gone is noticed: after 30 s of silence it is asked three times, and what was sent is given up after 60.
_CONNECTION: Mapping[str, int] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


# What libpq takes besides the place and the person; what an Airflow connection has of it in its extra is passed on.
_OPTIONS = """
    application_name channel_binding connect_timeout gssdelegation gssencmode gsslib hostaddr keepalives
    keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts options passfile
    require_auth requirepeer ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression
    sslcrl sslcrldir sslkey sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs
    tcp_user_timeout
"""
LIBPQ_OPTIONS = frozenset(_OPTIONS.split())


def connection_settings(given: Mapping[str, object]) -> dict[str, object]:
    """Arguments of `psycopg.connect` besides those that the address has."""
    return {**libpq_settings(given), "prepare_threshold": None}


def libpq_settings(given: Mapping[str, object]) -> dict[str, object]:
    """The same for psycopg2, which prepares nothing."""
    return {name: value for name, value in _CONNECTION.items() if name not in given}


def sqlalchemy_driver() -> str:
    """
    What `postgresql://` stands for here: psycopg 3, else the psycopg2 that an Airflow has with its provider of
    PostgreSQL. SQLAlchemy 1.4 knows psycopg2 only.
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
        lock_seconds: to wait for others.
        statement_seconds: for one statement, that wait included.
        idle_seconds: between two statements; a process that is frozen within a transaction would keep all others out.
        durable: the commit survives a power cut, also where somebody has set that commits need not.
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
