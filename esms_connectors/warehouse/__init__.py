"""
Warehouses for status rows: a DuckDB file, PostgreSQL, MySQL, Parquet/CSV/JSONL on any file system, or any destination
of dlt.

`open_warehouse(url)` opens a warehouse, `load_sent_messages` pulls into it. Each target is a module that implements the
contract in `contract.py`; one test suite runs against all of them.
"""

# Imported first: it raises a one-line error that names the missing extra.
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
