"""
Airflow names that have moved: in the SDK since 3.2, in the core before that.

Airflow's `common.compat` provides them too, but only in versions that the constraints of Airflow 3.1 exclude.
"""

from __future__ import annotations

try:
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
    )
except ImportError:  # before Airflow 3.2
    from airflow.configuration import conf
    from airflow.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
    )

try:
    from airflow.sdk.observability.stats import Stats
except ImportError:  # before Airflow 3.2
    from airflow.stats import Stats

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "Stats",
    "TaskDeferralTimeout",
    "conf",
]
