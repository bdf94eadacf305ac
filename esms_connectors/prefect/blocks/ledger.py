"""The ledger, as a block: workers on several machines share the one it names."""

from __future__ import annotations

import os

from pydantic import Field, SecretStr

from esms_connectors.ledger import Ledger
from esms_connectors.ledger.places import absolute_ledger_url, ledger_file
from esms_connectors.ledger.storage import LEASE_SECONDS
from esms_connectors.prefect.blocks.base import EsmsBlock
from esms_connectors.prefect.places import check_lasts, check_stored


class EsmsLedger(EsmsBlock):
    """
    Where is written down what was sent. All workers of a campaign must use the same one.

    Attributes:
        url: SQLite file or PostgreSQL.
        phone_secret: stores phones as keyed hashes.
        lease_seconds: how long the rows of a worker that died stay its own.

    Example:
        ```python
        from esms_connectors.prefect import EsmsLedger

        block = EsmsLedger.load("BLOCK_NAME")
        with block.open() as ledger:
            print(ledger.summary("march-campaign"))
        ```
    """

    _block_type_name = "eSMS Ledger"
    _block_type_slug = "esms-ledger"

    # The order of the fields is part of the schema that servers store: append, never reorder.
    url: SecretStr = Field(
        default=..., description="postgresql://… for workers on several machines, or sqlite:///file."
    )
    phone_secret: SecretStr | None = Field(
        default=None, description="With it, phones and row keys are stored as keyed hashes (HMAC) of it."
    )
    lease_seconds: float = Field(
        default=LEASE_SECONDS,
        gt=0,
        description="Rows of a worker that gives no heartbeat for so long are taken over.",
    )

    def open(self, *, create: bool = True) -> Ledger:
        """
        The ledger, created on first use; close it, or use it as a context manager.

        Args:
            create: False for who only reads, such as a report: none is made where there is none.

        Raises:
            ConfigurationError: it cannot be reached, needs an extra, is a file that would not last, or with
                `create=False` is not there.
        """
        url = self.url.get_secret_value()
        file = ledger_file(url)
        if self._block_document_id is not None:
            check_stored(file, f"The ledger of block {self._block_document_name}")
        check_lasts(file, "The ledger")
        secret = self.phone_secret.get_secret_value() if self.phone_secret else None
        return Ledger.open(url, create=create, phone_secret=secret or None, lease_seconds=self.lease_seconds)

    def _check_before_saving(self) -> None:
        url = absolute_ledger_url(self.url.get_secret_value())
        check_lasts(ledger_file(url), "The ledger")
        self.url = SecretStr(url)


def open_default_ledger(*, create: bool = True) -> Ledger:
    """
    Where no block is named: the ledger that `esms` on the command line uses, a file on this machine.

    Raises:
        ConfigurationError: it cannot be used, or is a file that would not last.
    """
    url = os.environ.get("ESMS_LEDGER") or None
    check_lasts(ledger_file(url), "The ledger")
    return Ledger.from_env(url, create=create)
