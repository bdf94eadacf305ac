"""
A chain of messages: who is not reached by one gets the next, once. Fallback, and the ladder of an alert.

`journey.py` sends the steps and says what became of each person, `looking.py` says what is known of the messages of one
step, `unreached.py` gives those who were not reached as a source, `ladder.py` goes from one phone to the next.
"""

from esms_connectors.sending.steps.journey import Journey, Step
from esms_connectors.sending.steps.ladder import alert_ladder
from esms_connectors.sending.steps.result import JourneyIncompleteError, JourneyResult, StepResult
from esms_connectors.sending.steps.unreached import undelivered

__all__ = ["Journey", "JourneyIncompleteError", "JourneyResult", "Step", "StepResult", "alert_ladder", "undelivered"]
