"""
Rows of a file, a query or a list -> clean recipients, one at a time.

`read_recipients` is the way in; `open_rows` reads the rows only. Nothing here sends, and memory does not grow with the
source, except by what `read_recipients` says.
"""

from esms_connectors.recipients.checked import ReadReport, Recipient, Recipients
from esms_connectors.recipients.columns import Columns
from esms_connectors.recipients.delimited import holds_rows
from esms_connectors.recipients.phone_lists import PhoneList, read_phone_list
from esms_connectors.recipients.phones import CleanPhone, clean_phone
from esms_connectors.recipients.places import OutputFile, check_path
from esms_connectors.recipients.queries import SqlQuery
from esms_connectors.recipients.reading import Check, read_recipients
from esms_connectors.recipients.rejects import RejectsFile
from esms_connectors.recipients.rows import Rows
from esms_connectors.recipients.sources import Source, is_repeatable, open_rows

__all__ = [
    "Check",
    "CleanPhone",
    "Columns",
    "OutputFile",
    "PhoneList",
    "ReadReport",
    "Recipient",
    "Recipients",
    "RejectsFile",
    "Rows",
    "Source",
    "SqlQuery",
    "check_path",
    "clean_phone",
    "holds_rows",
    "is_repeatable",
    "open_rows",
    "read_phone_list",
    "read_recipients",
]
