"""The hook: makes a client, and opens its ledger, from an Airflow connection."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook, Connection

from esms_connectors.airflow.connections import (
    CONN_TYPE,
    Settings,
    client_from_settings,
    database_url,
    settings_of,
    with_callback_token,
)
from esms_connectors.gateway.errors import ConfigurationError, EsmsError

if TYPE_CHECKING:
    from esms_connectors.gateway.client import EsmsClient
    from esms_connectors.ledger import Ledger
    from esms_connectors.ledger.run_memory import RunMemory
    from esms_connectors.sending.guard import GuardSettings
    from esms_connectors.sending.guard.choice import GuardChoice

DEFAULT_CONN_ID = "esms_default"


class EsmsHook(BaseHook):
    """
    The eSMS.vn gateway through an Airflow connection of type `esms`.

    Args:
        esms_conn_id: login = ApiKey, password = SecretKey, host = base URL (default https://rest.esms.vn); the extra
            has brandname, oa_id, template_id, ledger_conn_id and the other fields of the connection's form.

    Every method raises `ConfigurationError` for a connection that is missing, of another type or incomplete.
    """

    conn_name_attr = "esms_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONN_TYPE
    hook_name = "eSMS.vn"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Airflow 3.1 asks the hook for the form; newer versions read it from the provider's metadata."""
        from esms_connectors.airflow.provider_info import CONNECTION

        behaviour = CONNECTION["ui-field-behaviour"]
        return {name.replace("-", "_"): value for name, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The fields of the form, for Airflow 3.1. It has no field for decimal numbers, so they are text fields."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import BooleanField, PasswordField, StringField

        from esms_connectors.airflow.provider_info import CONNECTION

        widgets: dict[str, Any] = {}
        for name, field in CONNECTION["conn-fields"].items():
            words: dict[str, Any] = {"label": lazy_gettext(field["label"]), "description": field["description"]}
            if field["schema"]["type"][0] == "boolean":
                widgets[name] = BooleanField(**words, default=field["schema"].get("default", False))
            elif field["schema"].get("format") == "password":
                widgets[name] = PasswordField(**words, widget=BS3PasswordFieldWidget())
            else:
                widgets[name] = StringField(**words, widget=BS3TextFieldWidget())
        return widgets

    def __init__(self, esms_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.esms_conn_id = esms_conn_id
        self._settings: Settings | None = None

    def settings(self) -> Settings:
        """The connection, read once; both keys are masked from here on, in Airflow's logs too."""
        if self._settings is None:
            conn = connection(self.esms_conn_id)
            mask(conn.login)  # Airflow masks passwords, never logins
            settings = settings_of(conn, extra_of(conn))
            for secret in settings.secrets:
                mask(secret)
            self._settings = with_callback_token(settings, configured("callback_token"))
        return self._settings

    async def asettings(self) -> Settings:
        """`settings`, on an event loop."""
        if self._settings is None:
            conn = await _aconnection(self.esms_conn_id)
            await _amask(conn.login)
            settings = settings_of(conn, await _aextra(conn))
            for secret in settings.secrets:
                await _amask(secret)
            self._settings = with_callback_token(settings, configured("callback_token"))
        return self._settings

    def get_conn(self, **settings: Any) -> EsmsClient:
        """
        A client; close it or use it in a `with` block.

        Args:
            settings: arguments of `EsmsClient`; they override those of the connection.
        """
        return client_from_settings(self.settings(), **settings)

    async def aget_conn(self, **settings: Any) -> EsmsClient:
        """A client made on an event loop; its calls block, so make them in a thread."""
        return client_from_settings(await self.asettings(), **settings)

    def test_connection(self) -> tuple[bool, str]:
        """
        Read the balance, which tests keys and address; check the brandname, OA and template of the connection, and what
        alerts need. Never sends.
        """
        from esms_connectors.sending.account_check import check_senders
        from esms_connectors.sending.alerts import check_alert

        try:
            settings = self.settings()
            if settings.alert_phones and (wrong := check_alert(settings.alert_phones, settings.brandname).problems):
                return False, f"alert_phones: {'; '.join(wrong)}."
            with self.get_conn() as client:
                balance = client.get_balance()
                where = f"sandbox of {client.base_url}" if client.sandbox else client.base_url
                findings = check_senders(
                    client, brandname=settings.brandname, oa_id=settings.oa_id, template_id=settings.template_id
                )
        except EsmsError as error:
            return False, str(error)
        if wrong_ones := [f"{one.name}: {one.text}" for one in findings if one.ok is False]:
            return False, f"Connected to {where}, but {'; '.join(wrong_ones)}"
        told = "".join(f" {one.name}: {one.text}." for one in findings)
        return True, f"Connected to {where}; the balance is {balance.balance_vnd:,.0f} VND.{told}"

    def guard(self, choice: GuardChoice | None = None, *, who: str = "airflow") -> GuardSettings:
        """
        The rules in force: the settings file on this machine, overridden by the connection, overridden by `choice`.

        Raises:
            InvalidRequestError: a name or value that the guard does not know, or an override without a reason.
        """
        from esms_connectors.sending.guard import load_guard

        in_force = load_guard().and_of(self.settings().guard, f"connection {self.esms_conn_id}").settings
        return in_force if choice is None else choice.over(in_force, who=who)

    def open_ledger(
        self,
        ledger_conn_id: str | None = None,
        ledger_url: str | None = None,
        *,
        or_local_file: bool = False,
        create: bool = True,
        run_memory: RunMemory | None = None,
    ) -> Ledger:
        """
        Open the ledger named by the arguments, else by the connection, else by the option `[esms] ledger_url`.

        Args:
            or_local_file: if none of them names a ledger and tasks run on the scheduler's machine, use
                `esms-ledger.sqlite` in Airflow's home.
            create: False for readers: a typo in an address must not create an empty ledger.
            run_memory: see `Ledger`.

        Raises:
            ConfigurationError: no ledger is named, it cannot be opened, or with `create=False` it does not exist.
            InvalidRequestError: it is a relative path.
        """
        from esms_connectors.airflow.arguments import check_absolute_ledger
        from esms_connectors.ledger import Ledger

        settings = self.settings()
        if ledger_conn_id is None and ledger_url is None:
            ledger_conn_id, ledger_url = settings.ledger_conn_id, settings.ledger_url
        if ledger_conn_id is None and ledger_url is None:
            ledger_url = configured("ledger_url")
        if ledger_conn_id is not None and ledger_url is not None:
            raise ConfigurationError("Give ledger_conn_id or ledger_url, not both.")
        if ledger_conn_id is not None:
            ledger_url = address_of(connection(ledger_conn_id), purpose="the ledger")
        if ledger_url is None and or_local_file and executor_is_local():
            ledger_url = f"sqlite:///{local_ledger()}"
            self.log.info("The ledger is %s, on this machine only; it must outlive the worker.", local_ledger())
        if ledger_url is None:
            raise ConfigurationError(
                "A ledger is needed, or a retry could send twice: give ledger_conn_id (postgres or sqlite) or "
                "ledger_url, here, in the eSMS connection or as [esms] ledger_url. It must outlive the worker."
            )
        mask(ledger_url)
        check_absolute_ledger(ledger_url)
        return Ledger.open(ledger_url, create=create, phone_secret=settings.ledger_secret, run_memory=run_memory)


def executor_is_local() -> bool:
    """Whether every task runs on the scheduler's machine, so that all its tries find the same file."""
    from esms_connectors.airflow.framework import conf

    # Executors are separated by commas, those of teams by semicolons; each may have an alias after a colon.
    listed = re.split(r"[;,]", conf.get("core", "executor", fallback=""))
    names = [one.split("=")[-1].split(":")[0].strip().rpartition(".")[2] for one in listed]
    return all(name == "LocalExecutor" for name in names)


def local_ledger() -> Path:
    """
    The ledger file if none is named. It is in Airflow's home, not the user's, so that each deployment has its own.
    """
    home = Path(os.path.expandvars(os.environ.get("AIRFLOW_HOME", "~/airflow"))).expanduser()
    return home / "esms-ledger.sqlite"


def connection(conn_id: str) -> Connection:
    """
    An Airflow connection.

    Raises:
        ConfigurationError: there is no connection with this id.
    """
    from esms_connectors.airflow.framework import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        pass
    raise ConfigurationError(f"There is no connection {conn_id!r}: add it in Admin, Connections.")


def address_of(conn: Connection, *, purpose: str) -> str:
    """
    The database address of a connection, masked in logs because it contains the password.

    Raises:
        ConfigurationError: as `database_url`.
    """
    extra = extra_of(conn) if conn.conn_type != "sqlite" else {}
    url = database_url(conn, extra, purpose=purpose)
    mask(url)
    mask(extra.get("sslpassword"))
    return url


def configured(option: str) -> str | None:
    """An option of the section [esms], or None if it is not set."""
    from esms_connectors.airflow.framework import conf

    return conf.get("esms", option, fallback="") or None


def mask(secret: str | None) -> None:
    """Hide a text in the logs of this task and of its supervisor."""
    if secret:
        from airflow.sdk.log import mask_secret

        mask_secret(secret)


async def _aconnection(conn_id: str) -> Connection:
    """`connection`, on an event loop; without a thread where Airflow has an asynchronous API."""
    if not hasattr(Connection, "aextra_dejson"):  # before Airflow 3.3.2 that API may deadlock
        return await _threaded(connection, conn_id)
    from esms_connectors.airflow.framework import AirflowNotFoundException

    try:
        return await BaseHook.aget_connection(conn_id)
    except AirflowNotFoundException:
        pass
    raise ConfigurationError(f"There is no connection {conn_id!r}: add it in Admin, Connections.")


async def _threaded(call: Any, *arguments: Any) -> Any:
    from asgiref.sync import sync_to_async

    return await sync_to_async(call)(*arguments)


async def _amask(secret: str | None) -> None:
    if not secret:
        return
    try:
        from airflow.sdk.log import amask_secret
    except ImportError:  # before Airflow 3.3.2
        await _threaded(mask, secret)
        return
    await amask_secret(secret)


def extra_of(conn: Connection) -> dict[str, Any]:
    """The extra of a connection; `ConfigurationError` if it is not a JSON object."""
    _check_extra(conn)
    return dict(conn.extra_dejson)


async def _aextra(conn: Connection) -> dict[str, Any]:
    # Reading the extra masks its secrets: a call to the supervisor, which must not block the event loop.
    _check_extra(conn)
    if hasattr(conn, "aextra_dejson"):
        return dict(await conn.aextra_dejson())
    return dict(await _threaded(extra_of, conn))


def _check_extra(conn: Connection) -> None:
    # Airflow treats an unreadable extra as empty, which would lose a sandbox flag.
    with suppress(ValueError):
        if isinstance(json.loads(conn.extra or "{}"), dict):
            return
    raise ConfigurationError(f"Connection {conn.conn_id!r}: the extra must be a JSON object.")
