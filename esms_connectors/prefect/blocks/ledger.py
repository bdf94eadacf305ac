"""The ledger as a block, shared by workers on several machines."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger
from pydantic import Field, SecretStr

from esms_connectors.gateway.redaction import get_logger
from esms_connectors.ledger import Ledger
from esms_connectors.ledger.addresses import absolute_ledger_url, ledger_file
from esms_connectors.ledger.run_memory import RunMemory
from esms_connectors.ledger.storage import LEASE_SECONDS
from esms_connectors.prefect.blocks.base import EsmsBlock
from esms_connectors.prefect.local_files import check_lasts, check_stored, is_lost_with_container

logger = get_logger(__name__)


class EsmsLedger(EsmsBlock):
    """
    The record of what was sent. All workers of a campaign must use the same ledger.

    Attributes:
        url: SQLite file or PostgreSQL.
        phone_secret: key of the hashes as which phones are stored.
        lease_seconds: how long rows stay claimed by a worker that died.

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
        default=None, description="If set, phones and row keys are stored as hashes (HMAC) with this key."
    )
    lease_seconds: float = Field(
        default=LEASE_SECONDS,
        gt=0,
        description="Seconds without a heartbeat after which a worker's rows are taken over.",
    )

    def open(self, *, create: bool = True, run_memory: RunMemory | None = None) -> Ledger:
        """
        The ledger, created on first use; close it, or use it as a context manager.

        Args:
            create: False for readers, such as a report: a missing ledger is not created.
            run_memory: see `Ledger`.

        Raises:
            ConfigurationError: it cannot be reached, needs an extra, is a file that would be deleted after the run, or
                with `create=False` does not exist.
        """
        url = self.url.get_secret_value()
        file = ledger_file(url)
        if self._block_document_id is not None:
            check_stored(file, f"The ledger of block {self._block_document_name}")
        check_lasts(file, "The ledger")
        _warn_if_lost(file)
        secret = self.phone_secret.get_secret_value() if self.phone_secret else None
        settings = {"phone_secret": secret or None, "lease_seconds": self.lease_seconds, "run_memory": run_memory}
        return Ledger.open(url, create=create, **settings)

    def _check_before_saving(self) -> None:
        url = absolute_ledger_url(self.url.get_secret_value())
        check_lasts(ledger_file(url), "The ledger")
        self.url = SecretStr(url)


def open_default_ledger(*, create: bool = True, run_memory: RunMemory | None = None) -> Ledger:
    """
    The ledger used if no block is named: that of the `esms` command line, a file on this machine.

    Raises:
        ConfigurationError: it cannot be used, or is a file that would be deleted after the run.
    """
    url = os.environ.get("ESMS_LEDGER") or None
    file = ledger_file(url)
    check_lasts(file, "The ledger")
    _warn_if_lost(file)
    return Ledger.from_env(url, create=create, run_memory=run_memory)


def _warn_if_lost(file: Path | None) -> None:
    if is_lost_with_container(file):
        _logger().warning(
            "The ledger is a file in this container and will be lost with it, so another container may send again. Put "
            "it on a volume, or name an EsmsLedger block with a PostgreSQL URL."
        )


def _logger() -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
    try:
        return get_run_logger()
    except MissingContextError:
        return logger
