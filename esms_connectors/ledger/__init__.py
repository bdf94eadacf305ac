"""
The ledger: a record of every row sent, keyed by request id.

`ledger.py` claims and settles rows and builds on `queries.py`, `runs.py` and `storage.py`; `schema.py` has tables and
SQL, `rows.py` the row types, `keys.py` their ids.
"""

from typing import TYPE_CHECKING

from esms_connectors.lazy_names import on_first_use

if TYPE_CHECKING:
    from esms_connectors.ledger.database import LedgerError
    from esms_connectors.ledger.ledger import Ledger
    from esms_connectors.ledger.rows import RunSummary, SendState

__all__ = ["Ledger", "LedgerError", "RunSummary", "SendState"]

__getattr__, __dir__ = on_first_use(
    __name__,
    {
        "LedgerError": "database",
        "Ledger": "ledger",
        "RunSummary": "rows",
        "SendState": "rows",
    },
)
