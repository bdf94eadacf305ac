"""The account at eSMS.vn, as a block."""

from __future__ import annotations

from typing import Any

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field, SecretStr, field_validator

from esms_connectors.gateway.client import EsmsClient
from esms_connectors.gateway.credentials import Credentials
from esms_connectors.gateway.endpoints import DEFAULT_BASE_URL
from esms_connectors.prefect.blocks import EsmsBlock


class EsmsCredentials(CredentialsBlock, EsmsBlock):
    """
    The keys of an eSMS.vn account, and what its messages go out under.

    Attributes:
        account: a word for the account, no secret.
        api_key: from account.esms.vn.
        secret_key: from account.esms.vn.
        base_url: scheme and host of the gateway.
        sandbox: messages are checked, not sent.
        brandname: sender of SMS where a task names none.
        oa_id: Zalo Official Account where a task names none.
        requests_per_second: limit of each process; for one limit of all workers see `rate_limit` of the tasks.

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
        description="A word of yours for this account, no secret: it stands in the names of results, artifacts and "
        "events, and keeps two accounts apart. Letters, digits, - and _.",
    )
    api_key: SecretStr = Field(default=..., description="ApiKey, from account.esms.vn.")
    secret_key: SecretStr = Field(default=..., description="SecretKey, from account.esms.vn.")
    base_url: str = Field(
        default=DEFAULT_BASE_URL, description="Scheme and host of the gateway; plain http on loopback only."
    )
    sandbox: bool = Field(
        default=False, description="Check messages, send none. Functions without a sandbox are refused."
    )
    brandname: str | None = Field(default=None, description="Sender of SMS where a task names none.")
    oa_id: str | None = Field(default=None, description="Zalo Official Account where a task names none.")
    requests_per_second: float | None = Field(
        default=None, gt=0, description="At most so many requests a second from each process."
    )

    @field_validator("oa_id", mode="before")
    @classmethod
    def _oa_id_is_text(cls, value: object) -> object:
        # 19 digits, which the UI's form and YAML may hand over as a number.
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def get_client(self, **settings: Any) -> EsmsClient:
        """
        A client of this account; close it, or use it as a context manager.

        Args:
            settings: any argument of `EsmsClient`; it goes before the block.

        Raises:
            ConfigurationError: keys or base URL cannot be used.
        """
        settings.setdefault("base_url", self.base_url)
        settings.setdefault("sandbox", self.sandbox)
        settings.setdefault("throttle", self.requests_per_second)
        return EsmsClient(Credentials(self.api_key.get_secret_value(), self.secret_key.get_secret_value()), **settings)
