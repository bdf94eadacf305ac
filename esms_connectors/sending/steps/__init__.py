"""
A chain of messages: who is not reached by one gets the next, once. Fallback, and the ladder of an alert.

`journey.py` sends the steps and says what became of each person, `looking.py` says what is known of the messages of one
step, `unreached.py` gives those who were not reached as a source, `ladder.py` goes from one phone to the next.
"""

from esms_connectors.sending.steps.journey import Journey, Step
from esms_connectors.sending.steps.ladder import alert_ladder
from esms_connectors.sending.steps.looking import Finding, Seen, StepView, look_at_step, view_of_step
from esms_connectors.sending.steps.outcomes import OUTCOME_COLUMNS, Outcome, outcomes_of
from esms_connectors.sending.steps.plain import check_step, read_step
from esms_connectors.sending.steps.result import PEOPLE, JourneyIncompleteError, JourneyResult, StepResult
from esms_connectors.sending.steps.spans import read_span, span_words
from esms_connectors.sending.steps.unreached import undelivered
from esms_connectors.sending.steps.whole import links_of, people_of, people_of_steps

__all__ = [
    "OUTCOME_COLUMNS",
    "PEOPLE",
    "Finding",
    "Journey",
    "JourneyIncompleteError",
    "JourneyResult",
    "Outcome",
    "Seen",
    "Step",
    "StepResult",
    "StepView",
    "alert_ladder",
    "check_step",
    "links_of",
    "look_at_step",
    "outcomes_of",
    "people_of",
    "people_of_steps",
    "read_span",
    "read_step",
    "span_words",
    "undelivered",
    "view_of_step",
]
