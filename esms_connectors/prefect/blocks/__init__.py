"""The blocks of the collection."""

from esms_connectors.prefect.blocks.credentials import EsmsCredentials
from esms_connectors.prefect.blocks.ledger import EsmsLedger
from esms_connectors.prefect.blocks.notification import EsmsNotification
from esms_connectors.prefect.blocks.warehouse import EsmsWarehouse

__all__ = ["EsmsCredentials", "EsmsLedger", "EsmsNotification", "EsmsWarehouse"]
