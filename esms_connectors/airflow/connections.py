"""
The settings of a connection as plain values, without Airflow, network access or hidden reads.

An Airflow connection of type `esms`: login or extra `api_key` = ApiKey, password = SecretKey, host = base URL; the rest
is in the extra, named as in the connection form.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from esms_connectors.gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient

CONN_TYPE = "esms"


class AnyConnection(Protocol):
    """
    The attributes read from an Airflow connection; the extra is read separately because that may need the event loop.
    """

    conn_id: str
    conn_type: str | None
    host: str | None
    schema: str | None
    login: str | None
    password: str | None
    port: int | None


@dataclass(frozen=True, slots=True)
class Settings:
    """
    An `esms` connection, checked.

    Attributes:
        brandname, oa_id, template_id, callback_url: defaults for operators.
        ledger_conn_id: connection of the ledger's database; ledger_url: its URL, or a file.
        callback_token: secret part of `callback_url`, which contains {token} instead.
        ledger_secret: key of the hashes as which phones are stored in the ledger.
        alert_phones: recipients of `EsmsNotifier`, separated by commas.
        ca_bundle: file with the certificates (PEM) of a private CA, on every worker.
        guard: guard settings by name, which override those of a settings file.
    """

    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    base_url: str | None = None
    sandbox: bool = False
    brandname: str | None = None
    oa_id: str | None = None
    template_id: str | None = None
    callback_url: str | None = field(default=None, repr=False)
    callback_token: str | None = field(default=None, repr=False)
    connect_timeout_seconds: float | None = None
    read_timeout_seconds: float | None = None
    requests_per_second: float | None = None
    ledger_conn_id: str | None = None
    ledger_url: str | None = field(default=None, repr=False)
    ledger_secret: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    alert_phones: str | None = field(default=None, repr=False)
    ca_bundle: str | None = None
    guard: Mapping[str, Any] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must be masked wherever this connection is used."""
        candidates = (
            self.api_key,
            self.secret_key,
            self.ledger_secret,
            self.ledger_url,
            self.callback_url,
            self.callback_token,
            self.proxy,
        )
        return tuple(one for one in candidates if one)


def settings_of(conn: AnyConnection, extra: Mapping[str, Any]) -> Settings:
    """
    The settings in a connection.

    Raises:
        ConfigurationError: it is of another type, or a value is invalid; one line that names the connection.
    """
    where = f"Connection {conn.conn_id!r}"
    if conn.conn_type != CONN_TYPE:
        raise ConfigurationError(f"{where} is of type {conn.conn_type!r}, not {CONN_TYPE!r}: give an eSMS connection.")
    known = {one.name for one in fields(Settings)} - {"secret_key", "base_url"}
    given = {name: value for name, value in extra.items() if value not in (None, "")}
    if unknown := sorted(set(given) - known):
        # A misspelt sandbox or ledger option would otherwise send a campaign for real, or without its ledger.
        raise ConfigurationError(f"{where}: the extra has {', '.join(unknown)}, known are {', '.join(sorted(known))}.")
    api_key = conn.login or given.pop("api_key", None)
    given.pop("api_key", None)
    if not api_key or not conn.password:
        missing = " and ".join(
            name
            for name, value in (("the login (ApiKey)", api_key), ("the password (SecretKey)", conn.password))
            if not value
        )
        raise ConfigurationError(f"{where}: {missing} must be set. Both are shown at account.esms.vn.")
    values: dict[str, Any] = {name: str(value).strip() for name, value in given.items()}
    values |= {name: _number(given[name], name, where) for name in _NUMBERS if name in given}
    values["sandbox"] = _flag(given.get("sandbox", False), where)
    values["guard"] = _guard(given.get("guard", {}), where)
    return Settings(**{**values, "api_key": str(api_key), "secret_key": conn.password, "base_url": _base_url(conn)})


def with_callback_token(settings: Settings, configured_token: str | None) -> Settings:
    """
    The settings with the token in the callback URL.

    Raises:
        ConfigurationError: the extra holds a secret where Airflow shows it to everybody who may view connections.
    """
    if settings.ledger_url and holds_password(settings.ledger_url):
        raise ConfigurationError(
            "ledger_url in the eSMS connection contains a password, and Airflow shows it to everybody who may see "
            "connections. Create a separate connection for the database and name it in ledger_conn_id."
        )
    url, token = settings.callback_url, settings.callback_token or configured_token
    if not url:
        return settings
    if any(secret and secret in url for secret in (settings.callback_token, configured_token)):
        raise ConfigurationError(
            "callback_url in the eSMS connection contains the callback token, and Airflow shows it to everybody who "
            "may see connections. Write {token} instead."
        )
    if "{token}" in url and not token:
        raise ConfigurationError(
            "callback_url in the eSMS connection has a {token}, and there is none: also give callback_token, or set "
            "the option [esms] callback_token."
        )
    return replace(settings, callback_url=url.replace("{token}", token or ""))


def holds_password(url: str) -> bool:
    """Whether a database URL has a password in it, well formed or not."""
    before_at, at, _ = url.partition("://")[2].rpartition("@")
    return bool(at and ":" in before_at) or re.search(r"[?&](ssl)?password=", url, re.IGNORECASE) is not None


# Options of Airflow's own hook about result rows; they do not affect the connection.
_OF_POSTGRES_HOOK = frozenset({"cursor", "enable_log_db_messages"})


def _libpq_options(extra: Mapping[str, Any], where: str) -> dict[str, str]:
    """
    The libpq options besides the address.

    Raises:
        ConfigurationError: the extra has an option that libpq does not know, such as `iam`: ignoring it would connect
            in another way than requested.
    """
    from esms_connectors.databases.postgresql import LIBPQ_OPTIONS

    given = {name: value for name, value in extra.items() if value not in (None, "", False)}
    if unknown := sorted(given.keys() - LIBPQ_OPTIONS - _OF_POSTGRES_HOOK):
        raise ConfigurationError(
            f"{where} has {', '.join(unknown)} in its extra, which cannot be passed on: remove it, or use a separate "
            "connection. Options of libpq are passed on, such as sslmode, sslrootcert and options."
        )
    if wrong := sorted(name for name, value in given.items() if not isinstance(value, str | int)):
        raise ConfigurationError(f"{where}: {', '.join(wrong)} in the extra must be a text or a whole number.")
    return {name: str(int(value) if value is True else value) for name, value in given.items() if name in LIBPQ_OPTIONS}


_NUMBERS = ("connect_timeout_seconds", "read_timeout_seconds", "requests_per_second")


def _base_url(conn: AnyConnection) -> str | None:
    if not conn.host:
        return None
    host = conn.host.strip()
    if "://" not in host:
        host = f"https://{host}"
    # Airflow's UI stores 0 if there is no port.
    return f"{host.rstrip('/')}:{conn.port}" if conn.port else host


def _flag(value: object, where: str) -> bool:
    from esms_connectors.gateway.client import sandbox_from_text

    if isinstance(value, bool):
        return value
    try:
        return sandbox_from_text(str(value))
    except ConfigurationError:
        raise ConfigurationError(
            f"{where}: sandbox must be true or false; a wrong guess would send for real."
        ) from None


def _guard(value: object, where: str) -> Mapping[str, Any]:
    """An object, or its JSON from the form field."""
    from esms_connectors.gateway.errors import InvalidRequestError
    from esms_connectors.sending.guard import GuardSettings

    try:
        found = json.loads(value) if isinstance(value, str) else value
        if isinstance(found, Mapping):
            GuardSettings().changed(found)
            return found
        problem = 'takes a JSON object, such as {"advertising_hours": "defer"}'
    except ValueError:
        problem = "is not JSON"
    except InvalidRequestError as error:
        problem = str(error)
    raise ConfigurationError(f"{where}: guard: {problem}")


def _number(value: object, name: str, where: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if isinstance(value, bool) or not 0 < number < float("inf"):
        raise ConfigurationError(f"{where}: {name} must be a number above 0.")
    return number


def client_from_settings(settings: Settings, **more: Any) -> EsmsClient:
    """
    A client for a connection; `more` is passed to `EsmsClient` and overrides the connection.

    Raises:
        ConfigurationError: keys, base URL or proxy cannot be used.
    """
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.gateway.credentials import Credentials
    from esms_connectors.gateway.transport import Timeouts

    arguments: dict[str, Any] = {
        "sandbox": settings.sandbox,
        "timeouts": Timeouts.of(settings.connect_timeout_seconds, settings.read_timeout_seconds),
        "throttle": settings.requests_per_second,
        "proxy": settings.proxy,
        "ca_bundle": settings.ca_bundle,
    }
    if settings.base_url is not None:
        arguments["base_url"] = settings.base_url
    return EsmsClient(Credentials(settings.api_key, settings.secret_key), **{**arguments, **more})


def database_url(conn: AnyConnection, extra: Mapping[str, Any], *, purpose: str) -> str:
    """
    The SQLAlchemy URL of a `postgres` or `sqlite` connection; its password is in it.

    Raises:
        ConfigurationError: another type, no host, or an extra that a database address cannot express.
    """
    where = f"Connection {conn.conn_id!r}, for {purpose},"
    match conn.conn_type:
        case "postgres" | "postgresql":
            if not conn.host:
                raise ConfigurationError(f"{where} has no host.")
            options = _libpq_options(extra, where)
            place = f"{conn.host}{_port(conn)}"
            # A socket folder goes into the query, as in libpq.
            if conn.host.startswith("/"):
                place, options = "", {"host": conn.host, **options}
            query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
            return f"postgresql://{_user(conn)}{place}/{quote(conn.schema or '', safe='')}{'?' * bool(query)}{query}"
        case "sqlite":
            path = conn.host or conn.schema
            if not path:
                raise ConfigurationError(f"{where} has no host: put the path of the file there.")
            return f"sqlite:///{path}"
    raise ConfigurationError(f"{where} is of type {conn.conn_type!r}; postgres and sqlite can be used.")


# Settings of Airflow's own hook for other drivers; the warehouse itself sets time zone and character set.
_OF_MYSQL_HOOK = frozenset(["charset", "client", "cursor", "local_infile"])
_MYSQL_OPTIONS = ("unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "connect_timeout", "read_default_file")


def mysql_url(conn: AnyConnection, extra: Mapping[str, Any]) -> str:
    """
    The address of a `mysql` connection; its password is in it.

    Raises:
        ConfigurationError: it has no host or schema, or an extra that would be ignored; one line.
    """
    where = f"Connection {conn.conn_id!r}, for the warehouse,"
    given = {name: value for name, value in extra.items() if name not in _OF_MYSQL_HOOK}
    query = {name: given.pop(name, None) for name in _MYSQL_OPTIONS}
    if not (conn.host or query["unix_socket"]) or not conn.schema:
        raise ConfigurationError(f"{where} needs a host and a schema, which is the database.")
    ssl = given.pop("ssl", None) or {}
    if isinstance(ssl, str):
        with contextlib.suppress(ValueError):
            ssl = json.loads(ssl)
    if not isinstance(ssl, dict) or not {*ssl} <= {"ca", "cert", "key"}:
        raise ConfigurationError(f"{where}: ssl in the extra is an object with ca, cert and key, which are files.")
    if given:
        known = ", ".join(["ssl", *_MYSQL_OPTIONS])
        raise ConfigurationError(f"{where}: the extra has {', '.join(sorted(given))}, known are {known}.")
    query |= {f"ssl_{name}": value for name, value in ssl.items()}
    options = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value)
    place = f"{_user(conn)}{conn.host or 'localhost'}{_port(conn)}"
    return f"mysql://{place}/{quote(conn.schema, safe='')}{'?' * bool(options)}{options}"


def place_of(conn: AnyConnection, extra: Mapping[str, Any]) -> str:
    """
    The address of a warehouse that is not a server: from a `duckdb` or `fs` connection, or from a generic one, because
    Airflow has no built-in type for DuckDB.

    Raises:
        ConfigurationError: it names no warehouse, or an address with a password, which Airflow shows.
    """
    where = f"Connection {conn.conn_id!r}"
    place = conn.host or conn.schema or extra.get("path") or ""
    if not isinstance(place, str) or not place.strip():
        raise ConfigurationError(
            f"{where} has no host: put the path of the file there, into the schema, or as path into the extra."
        )
    if "://" in place:
        if holds_password(place):
            raise ConfigurationError(
                f"{where} contains an address with a password, and Airflow shows it to everybody who may see "
                "connections: give a connection of that database's type."
            )
        return place
    if conn.conn_type == "duckdb" or place.lower().endswith((".duckdb", ".ddb")):
        return f"duckdb:///{place}"
    if conn.conn_type == "fs":
        return place
    raise ConfigurationError(
        f"{where} is of type {conn.conn_type!r}: its host is a file that ends in .duckdb, or an address such as "
        "dlt://bigquery?dataset=esms."
    )


def _user(conn: AnyConnection) -> str:
    user, password = (quote(one or "", safe="") for one in (conn.login, conn.password))
    return f"{user}{':' * bool(password)}{password}@" if user else ""


def _port(conn: AnyConnection) -> str:
    return f":{conn.port}" if conn.port else ""
