"""
The ledger: what was sent, keyed by request id.

`ledger.py` claims and settles, on `queries.py`, `runs.py` and `storage.py`; `schema.py` has tables and SQL, `rows.py`
the rows, `keys.py` their ids.
"""

from esms_connectors.ledger.database import LedgerError
from esms_connectors.ledger.journeys import StepLink, step_run_key
from esms_connectors.ledger.keys import check_run_key, wire_id
from esms_connectors.ledger.ledger import Ledger
from esms_connectors.ledger.rows import (
    REFUSED_WHOLE,
    RULE_CODE,
    SMS_TYPES_OF_KIND,
    Claim,
    ClaimResult,
    LedgerRow,
    RunSummary,
    SendState,
    Settlement,
    rule_of,
)
from esms_connectors.ledger.storage import LEASE_SECONDS

__all__ = [
    "LEASE_SECONDS",
    "REFUSED_WHOLE",
    "RULE_CODE",
    "SMS_TYPES_OF_KIND",
    "Claim",
    "ClaimResult",
    "Ledger",
    "LedgerError",
    "LedgerRow",
    "RunSummary",
    "SendState",
    "Settlement",
    "StepLink",
    "check_run_key",
    "rule_of",
    "step_run_key",
    "wire_id",
]
