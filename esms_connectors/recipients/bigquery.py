"""What BigQuery's dialect needs beyond other databases: no storage API, and its own error messages."""

from __future__ import annotations

import re
from typing import Any

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.redaction import mask_phones

SCHEME = "bigquery"
# Rows are read only through the REST API: the storage API needs another package and another permission, and the dialect
# warns if it is not available.
CONNECT_ARGUMENTS = {"prefer_bqstorage_client": False}

_KEY = (
    "credentials_path=… in the address, or the variable GOOGLE_APPLICATION_CREDENTIALS, names the JSON of a service "
    "account"
)
# Reasons whose messages name tables, projects and permissions, and quote no row.
_ABOUT_NO_ROW = {
    *("accessDenied", "notFound", "authError", "required", "quotaExceeded", "rateLimitExceeded", "billingNotEnabled"),
    *("backendError", "internalError", "responseTooLarge", "resourcesExceeded", "stopped", "timeout"),
}
# An error that is found before any row is read has a position in the query.
_IN_THE_QUERY = re.compile(r"at \[\d+:\d+\]")


def is_address(url: object) -> bool:
    return isinstance(url, str) and url.partition("://")[0] == SCHEME


def credentials_error(error: BaseException) -> ConfigurationError | None:
    """An error about the key that reads the table, without the key or its path; None for other errors."""
    kind = type(error).__name__
    if isinstance(error, OSError):
        problem = f"its key file cannot be read ({error.strerror or kind})"
    elif isinstance(error, ValueError):  # also MalformedError, and the error of invalid JSON
        problem = "its key file is not the JSON of a service account, or a setting in the address is wrong"
    elif kind == "DefaultCredentialsError":
        problem = "it has no key, or its key file cannot be used"
    elif kind == "RefreshError":
        problem = f"Google refuses the key{_oauth_reason(error)}"
    elif kind == "TransportError":
        return ConfigurationError("BigQuery cannot be queried: Google's token server cannot be reached.")
    else:
        return None
    return ConfigurationError(f"BigQuery cannot be queried: {problem}: {_KEY}.")


def _oauth_reason(error: BaseException) -> str:
    given = error.args[1] if len(error.args) > 1 else None
    reason = given.get("error") if isinstance(given, dict) else None
    return f" ({reason})" if isinstance(reason, str) and reason.isidentifier() else ""


def error_text(error: BaseException) -> str | None:
    """BigQuery's answer, without words that may quote a row; None if there was no answer."""
    inner: Any = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    errors = getattr(inner, "errors", None)
    first = errors[0] if isinstance(errors, list | tuple) and errors and isinstance(errors[0], dict) else {}
    reason, words, code = first.get("reason"), str(first.get("message") or ""), getattr(inner, "code", None)
    line = (words.strip().splitlines() or [""])[0]
    if line and (reason in _ABOUT_NO_ROW or _IN_THE_QUERY.search(line)):
        return mask_phones(line.rstrip("."))
    return f"BigQuery says {reason or 'no reason'} ({code})" if reason or code else None
