"""Operators of every kind that sends, to one recipient."""

from __future__ import annotations

from typing import Any

from esms_connectors.airflow.gateway_call import EsmsOperator
from esms_connectors.airflow.ladder import AlertLadderOperator
from esms_connectors.airflow.operators import SendSmsOperator, SmsBulkOperator
from esms_connectors.emulator import DEMO_BRANDNAME

PHONE = "0901888484"
SMS = {"phone": PHONE, "content": "Xin chao", "brandname": DEMO_BRANDNAME}


def of_one_sms(**more: Any) -> SendSmsOperator:
    return SendSmsOperator(
        **{"task_id": "send", "phones": PHONE, "text": "Xin chao", "brandname": DEMO_BRANDNAME, **more}
    )


def of_a_campaign(**more: Any) -> SmsBulkOperator:
    about = {"task_id": "send", "source": [{"phone": PHONE}], "text": "Xin chao", "brandname": DEMO_BRANDNAME}
    return SmsBulkOperator(**{**about, **more})


def of_a_call(**more: Any) -> EsmsOperator:
    about = {"task_id": "send", "operation": "send_customer_care_sms", "arguments": SMS}
    return EsmsOperator(**{**about, **more})


def of_a_ladder(**more: Any) -> AlertLadderOperator:
    # The last of a ladder is waited for by nobody.
    about = {"task_id": "send", "phones": [PHONE], "text": "Xin chao", "brandname": DEMO_BRANDNAME}
    return AlertLadderOperator(**{**about, **more})


KINDS = (of_one_sms, of_a_campaign, of_a_call, of_a_ladder)
