"""
What a sender in Vietnam must not do: the law's hours, labels and lists, the budget, the stop.

`rules.py` has the rules and their sources, `settings.py` what is in force, `hours.py` and `text.py` decide without a
ledger; `watch.py` asks the ledger while a run goes.
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
