"""
The rules that a sender in Vietnam must observe: legal hours, labels and lists, the budget, and stops.

`rules.py` has the rules and their sources, `settings.py` the values in force; `hours.py` and `text.py` decide without a
ledger; `watch.py` consults the ledger during a run.
"""

from esms_connectors.sending.guard.hours import HoursPolicy
from esms_connectors.sending.guard.rules import GuardRefusalError, GuardStopError
from esms_connectors.sending.guard.settings import GuardSettings, load_guard

__all__ = [
    "GuardRefusalError",
    "GuardSettings",
    "GuardStopError",
    "HoursPolicy",
    "load_guard",
]
