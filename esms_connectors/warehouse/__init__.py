"""
Where status rows go: a DuckDB file, PostgreSQL, Parquet/CSV/JSONL on any file system, or whatever dlt can load.

`open_warehouse(url)` is the way in, `load_sent_messages` pulls into it. A target is a module here that keeps the
contract of `contract.py`; one test suite runs over all of them.
"""

# First, because it says on one line which extra is missing.
from esms_connectors.sent_data import columns as columns
from esms_connectors.warehouse.contract import Warehouse, WarehouseError, WindowLoad
from esms_connectors.warehouse.load_summary import LoadCounts, LoadIncompleteError, LoadProgress, LoadSummary
from esms_connectors.warehouse.loading import load_planned, load_sent_messages, load_windows, recount_windows
from esms_connectors.warehouse.opening import open_warehouse
from esms_connectors.warehouse.planning import LoadPlan, follow_up_windows, plan_load
from esms_connectors.warehouse.privacy import PhoneForm, Privacy, erase_phone

__all__ = [
    "LoadCounts",
    "LoadIncompleteError",
    "LoadPlan",
    "LoadProgress",
    "LoadSummary",
    "PhoneForm",
    "Privacy",
    "Warehouse",
    "WarehouseError",
    "WindowLoad",
    "erase_phone",
    "follow_up_windows",
    "load_planned",
    "load_sent_messages",
    "load_windows",
    "open_warehouse",
    "plan_load",
    "recount_windows",
]
