"""
A chain of messages: who is not reached by one gets the next, once. Fallback, and the ladder of an alert.

`journey.py` sends the steps and says what became of each person, `looking.py` says what is known of the messages of one
step, `undelivered.py` gives those who were not reached as a source, `ladder.py` goes from one phone to the next.
"""

from esms_connectors.sending.steps.journey import Journey, Step
from esms_connectors.sending.steps.ladder import alert_ladder
from esms_connectors.sending.steps.looking import Finding, StepView, look_at_step
from esms_connectors.sending.steps.outcomes import OUTCOME_COLUMNS, Outcome, outcomes_of
from esms_connectors.sending.steps.plain import check_step, read_step
from esms_connectors.sending.steps.result import JourneyIncompleteError, JourneyResult, StepResult
from esms_connectors.sending.steps.spans import read_span, span_words
from esms_connectors.sending.steps.undelivered import undelivered
from esms_connectors.sending.steps.whole import people_of

__all__ = [
    "OUTCOME_COLUMNS",
    "Finding",
    "Journey",
    "JourneyIncompleteError",
    "JourneyResult",
    "Outcome",
    "Step",
    "StepResult",
    "StepView",
    "alert_ladder",
    "check_step",
    "look_at_step",
    "outcomes_of",
    "people_of",
    "read_span",
    "read_step",
    "span_words",
    "undelivered",
]
