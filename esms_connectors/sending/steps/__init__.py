"""
A chain of messages: a person not reached by one step gets the next, once. Used for fallback and the ladder of an alert.

`journey.py` sends the steps, `people.py` decides who is due, `message_states.py` determines what is known of the
messages of one step, `unreached.py` returns people who were not reached as a source, `ladder.py` alerts one phone after
another.
"""

from esms_connectors.sending.steps.journey import Journey, Step
from esms_connectors.sending.steps.ladder import alert_ladder
from esms_connectors.sending.steps.result import JourneyIncompleteError, JourneyResult, StepResult
from esms_connectors.sending.steps.unreached import undelivered

__all__ = ["Journey", "JourneyIncompleteError", "JourneyResult", "Step", "StepResult", "alert_ladder", "undelivered"]
