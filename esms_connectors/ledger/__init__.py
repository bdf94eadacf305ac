"""
The ledger: what was sent, keyed by request id.

`ledger.py` claims and settles, on `queries.py`, `runs.py` and `storage.py`; `schema.py` has tables and SQL, `rows.py`
the rows, `keys.py` their ids.
"""

from esms_connectors.ledger.database import LedgerError
from esms_connectors.ledger.ledger import Ledger
from esms_connectors.ledger.rows import RunSummary, SendState

__all__ = ["Ledger", "LedgerError", "RunSummary", "SendState"]
