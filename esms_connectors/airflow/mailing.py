"""Sends a report by e-mail through an SMTP connection of Airflow."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING

from esms_connectors.databases.scratch import scratch_folder
from esms_connectors.gateway.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from esms_connectors.reports import Report


def addresses(given: object) -> list[str]:
    """
    The e-mail addresses as a list; empty for None.

    Raises:
        InvalidRequestError: a value that is not an address.
    """
    if given is None:
        return []
    many = given.replace(";", ",").split(",") if isinstance(given, str) else given
    if not isinstance(many, list | tuple) or not many or not all(isinstance(one, str) and "@" in one for one in many):
        raise InvalidRequestError("mail_to takes an e-mail address, or a list of them.", field="mail_to")
    return [one.strip() for one in many]


def mail_report(
    report: Report, to: Sequence[str], *, targets: Sequence[str], files: Sequence[str], conn_id: str, language: str
) -> None:
    """
    Mail a report: a summary with the files attached, in the formats of `targets`; an HTML page if there are none.

    Raises:
        ConfigurationError: Airflow's provider for SMTP is not installed.
    """
    from esms_connectors.reports import write_report
    from esms_connectors.reports.summary import message_of

    try:
        from airflow.providers.smtp.hooks.smtp import SmtpHook
    except ImportError:
        raise ConfigurationError(
            "mail_to needs Airflow's provider for e-mail: pip install apache-airflow-providers-smtp."
        ) from None
    subject, lines = message_of(report, files, language)
    names = [PurePath(target).name for target in targets] or ["report.html"]
    with scratch_folder() as folder, SmtpHook(smtp_conn_id=conn_id) as hook:
        attached = [one for name in names for one in write_report(report, folder / name, language=language)]
        hook.send_email_smtp(
            to=list(to),
            subject=subject,
            html_content="".join(f"<p>{escape(line)}</p>" for line in lines),
            files=attached,
        )
