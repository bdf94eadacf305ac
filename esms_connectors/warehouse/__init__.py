"""
Where status rows go: a DuckDB file, PostgreSQL, Parquet/CSV/JSONL on any file system, or whatever dlt can load.

`open_warehouse(url)` is the way in, `load_sent_messages` pulls into it. A target is a module here that keeps the
contract of `contract.py`; one test suite runs over all of them.
"""

# First, because it says on one line which extra is missing.
from esms_connectors.sent_data import columns as columns
from esms_connectors.warehouse.contract import Warehouse, WarehouseError
from esms_connectors.warehouse.load_summary import LoadIncompleteError, LoadSummary
from esms_connectors.warehouse.loading import load_sent_messages
from esms_connectors.warehouse.opening import open_warehouse
from esms_connectors.warehouse.privacy import PhoneForm, Privacy, erase_phone

__all__ = [
    "LoadIncompleteError",
    "LoadSummary",
    "PhoneForm",
    "Privacy",
    "Warehouse",
    "WarehouseError",
    "erase_phone",
    "load_sent_messages",
    "open_warehouse",
]
