"""A warehouse for status rows, as a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, SecretStr, model_validator

from esms_connectors.prefect.blocks.base import EsmsBlock
from esms_connectors.prefect.local_files import check_lasts, check_stored

if TYPE_CHECKING:
    from esms_connectors.warehouse import Privacy, Warehouse


class EsmsWarehouse(EsmsBlock):
    """
    The warehouse for status rows, and which personal data it stores.

    Attributes:
        url: the address.
        phones: how phones are stored.
        phone_secret: the key of the hashes.
        content: whether texts are stored.

    Example:
        ```python
        from esms_connectors.prefect import EsmsWarehouse

        block = EsmsWarehouse.load("BLOCK_NAME")
        with block.open() as warehouse:
            warehouse.prepare()
        ```
    """

    _block_type_name = "eSMS Warehouse"
    _block_type_slug = "esms-warehouse"

    # The order of the fields is part of the schema that servers store: append, never reorder.
    url: SecretStr = Field(
        default=...,
        description="duckdb:///file, postgresql://…, mysql://…, a folder or s3://… with ?format=parquet, dlt://destination.",
    )
    phones: Literal["plain", "hashed", "masked", "omitted"] = Field(
        default="plain", description="How phone numbers are stored. It cannot be changed for a warehouse in use."
    )
    phone_secret: SecretStr | None = Field(
        default=None, description="Required unless phones are plain; keep it as long as the warehouse."
    )
    content: bool = Field(default=True, description="Store the texts of the messages.")

    @model_validator(mode="after")
    def _secret_where_needed(self) -> Self:
        if self.phones != "plain" and self.phone_secret is None:
            raise ValueError("phone_secret is required unless phones are plain")
        return self

    def open(self) -> Warehouse:
        """
        The warehouse, created on first use; close it, or use it as a context manager.

        Raises:
            ConfigurationError: it cannot be used, needs an extra, or is a file that would be deleted after the run.
        """
        from esms_connectors.warehouse import open_warehouse
        from esms_connectors.warehouse.addresses import local_path

        url = self.url.get_secret_value()
        if self._block_document_id is not None:
            check_stored(local_path(url), f"The warehouse of block {self._block_document_name}")
        check_lasts(local_path(url), "The warehouse")
        return open_warehouse(url)

    def _check_before_saving(self) -> None:
        from esms_connectors.warehouse.addresses import absolute_address, local_path

        url = absolute_address(self.url.get_secret_value())
        check_lasts(local_path(url), "The warehouse")
        self.url = SecretStr(url)

    def privacy(self) -> Privacy:
        """How phones and texts are stored."""
        from esms_connectors.warehouse import Privacy
        from esms_connectors.warehouse.privacy import PhoneForm

        secret = self.phone_secret.get_secret_value() if self.phone_secret else None
        return Privacy(phone=PhoneForm(self.phones), secret=secret, content=self.content)
