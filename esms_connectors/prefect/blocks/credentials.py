"""The account at eSMS.vn, as a block."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field, SecretStr, field_validator

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.endpoints import DEFAULT_BASE_URL
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.transport import Timeouts
from esms_connectors.prefect.async_twins import async_dispatch
from esms_connectors.prefect.blocks.base import EsmsBlock
from esms_connectors.prefect.validation import IdText, value_errors
from esms_connectors.sending.account_check import check_account, check_senders
from esms_connectors.sending.guard import GuardSettings, load_guard
from esms_connectors.sending.guard.choice import GuardChoice


class EsmsCredentials(CredentialsBlock, EsmsBlock):
    """
    The keys of an eSMS.vn account, and the senders of its messages.

    Attributes:
        account: a name for the account, not a secret.
        api_key: from account.esms.vn.
        secret_key: from account.esms.vn.
        base_url: scheme and host of the gateway.
        sandbox: messages are checked, not sent.
        brandname: default sender of SMS.
        oa_id: default Zalo Official Account.
        requests_per_second: limit per process; for a limit shared by all workers see `rate_limit` of the tasks.
        template_id: ZNS template that `check` verifies.
        proxy: URL of an HTTP proxy; the environment's if None.
        ca_bundle: certificates of a private CA, a PEM file on every worker.
        connect_timeout_seconds, read_timeout_seconds: 10 and 60 if None.
        guard: guard rules by name.

    Example:
        ```python
        from esms_connectors.prefect import EsmsCredentials

        credentials = EsmsCredentials.load("BLOCK_NAME")
        with credentials.get_client() as client:
            print(client.get_balance().balance_vnd)
        ```
    """

    _block_type_name = "eSMS Credentials"
    _block_type_slug = "esms-credentials"

    # The order of the fields is part of the schema that servers store: append, never reorder.
    account: str = Field(
        default=...,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$",
        description="A name of your choice for this account, not a secret: it is part of the names of results, "
        "artifacts and events, and distinguishes two accounts. Letters, digits, - and _. Never change it: message keys "
        "belong to it, and their messages would be sent again.",
    )
    api_key: SecretStr = Field(default=..., description="ApiKey, from account.esms.vn.")
    secret_key: SecretStr = Field(default=..., description="SecretKey, from account.esms.vn.")
    base_url: str = Field(
        default=DEFAULT_BASE_URL,
        description="Scheme and host of the gateway; plain http only on loopback, or with an emulator's keys.",
    )
    sandbox: bool = Field(
        default=False, description="Check messages without sending them. Functions without a sandbox are refused."
    )
    brandname: str | None = Field(default=None, description="Sender of SMS if a task names none.")
    oa_id: IdText | None = Field(default=None, description="Zalo Official Account if a task names none.")
    requests_per_second: float | None = Field(
        default=None, gt=0, description="Maximum number of requests per second from each process."
    )

    template_id: IdText | None = Field(
        default=None, description="ZNS template of the OA above that the check looks up."
    )
    proxy: SecretStr | None = Field(default=None, description="URL of an HTTP proxy; the environment's if empty.")
    ca_bundle: str | None = Field(
        default=None, description="Certificates (PEM) of your own CA: the absolute path of a file on every worker."
    )
    connect_timeout_seconds: float | None = Field(default=None, gt=0, description="10 if empty.")
    read_timeout_seconds: float | None = Field(default=None, gt=0, description="60 if empty.")

    guard: dict[str, Any] = Field(
        default_factory=dict,
        description="Guard settings by name, which override those of the settings file, such as advertising_hours: "
        "defer.",
    )

    @field_validator("guard")
    @classmethod
    def _guard_is_known(cls, value: dict[str, Any]) -> dict[str, Any]:
        with value_errors():
            GuardSettings().changed(value)
        return value

    def guard_in_force(self, choice: GuardChoice | None = None, *, who: str = "prefect") -> GuardSettings:
        """
        The rules in force: the settings file on this machine, overridden by the block, overridden by `choice`.

        Args:
            choice: Guard settings of one send.
            who: Who overrides rules, for the record.

        Raises:
            InvalidRequestError, ConfigurationError: A name or value is unknown to the guard.
        """
        settings = load_guard().and_of(self.guard, f"block {self._block_document_name or 'esms-credentials'}").settings
        return settings if choice is None else choice.over(settings, who=who)

    def _check_before_saving(self) -> None:
        if self.ca_bundle is not None:
            self.ca_bundle = str(Path(self.ca_bundle).absolute())
        # The certificate file may exist on the workers only.
        self.get_client(ca_bundle=None).close()

    def _check_replaces(self, stored: Self) -> None:
        if stored.account != self.account and stored.api_key == self.api_key:
            raise ConfigurationError(
                f"account: the stored block calls this account {stored.account!r}. Under another name the messages of "
                "its message keys would be sent again. Keep the name, or save the block under another one."
            )

    def get_client(self, **settings: Any) -> EsmsClient:
        """
        A client of this account; close it, or use it as a context manager.

        Args:
            settings: any argument of `EsmsClient`; it overrides the block.

        Raises:
            ConfigurationError: keys or base URL cannot be used.
        """
        settings.setdefault("base_url", self.base_url)
        settings.setdefault("sandbox", self.sandbox)
        settings.setdefault("throttle", self.requests_per_second)
        settings.setdefault("ca_bundle", self.ca_bundle)
        settings.setdefault("proxy", None if self.proxy is None else self.proxy.get_secret_value())
        settings.setdefault("timeouts", Timeouts.of(self.connect_timeout_seconds, self.read_timeout_seconds))
        return EsmsClient(Credentials(self.api_key.get_secret_value(), self.secret_key.get_secret_value()), **settings)

    async def acheck(self) -> list[dict[str, Any]]:
        """
        Check keys, connection, address list, balance and clock, and the brandname, OA and template of the block. Sends
        nothing.

        Returns:
            `check`, `ok` (None if unknown) and `text` of each finding.

        Raises:
            ConfigurationError: a check failed; one line says which.
        """
        return await asyncio.to_thread(self._check)

    @async_dispatch(acheck)
    def check(self) -> list[dict[str, Any]]:
        """
        Check keys, connection, address list, balance and clock, and the brandname, OA and template of the block. Sends
        nothing. In an event loop it is `acheck`.

        Returns:
            `check`, `ok` (None if unknown) and `text` of each finding.

        Raises:
            ConfigurationError: a check failed; one line says which.
        """
        return self._check()

    def _check(self) -> list[dict[str, Any]]:
        with self.get_client() as client:
            findings, error = check_account(client)
            if error is None:
                findings += check_senders(
                    client, brandname=self.brandname, oa_id=self.oa_id, template_id=self.template_id
                )
        if wrong := [f"{one.name}: {one.text}" for one in findings if one.ok is False]:
            raise ConfigurationError("; ".join(wrong))
        return [one.as_dict() for one in findings]
