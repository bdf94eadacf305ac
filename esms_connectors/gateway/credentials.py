"""A key pair that is never shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.redaction import MASK, register_secret

_MADE_UP = "EMULATOR0"


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Credentials:
    """
    The two keys of an eSMS account, from account.esms.vn. Creating the pair masks both in every log and error.

    Raises:
        ConfigurationError: a key is missing, contains blanks or line ends, or is an unfilled placeholder.
    """

    api_key: str
    secret_key: str

    def __init__(self, api_key: str, secret_key: str) -> None:
        problem = _problem_with("ApiKey", api_key) or _problem_with("SecretKey", secret_key)
        if problem is None:
            object.__setattr__(self, "api_key", api_key)
            object.__setattr__(self, "secret_key", secret_key)
            return
        # Error trackers show the local variables of every frame.
        del api_key, secret_key
        raise ConfigurationError(problem)

    def __repr__(self) -> str:
        return f"Credentials(api_key={MASK}, secret_key={MASK})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type[Credentials], tuple[str, str]]:
        # Through the constructor: a worker process that unpickles the pair must mask it too.
        return type(self), (self.api_key, self.secret_key)

    @property
    def of_emulator(self) -> bool:
        """Whether both are keys of an emulator, by their prefix, which no key of the gateway has."""
        return self.api_key.startswith(_MADE_UP) and self.secret_key.startswith(_MADE_UP)

    @property
    def api_key_hash(self) -> str:
        """A hash that identifies the ApiKey: 40 hexadecimal digits."""
        return hashlib.sha256(f"key {self.api_key}".encode()).hexdigest()[:40]

    def account_at(self, base_url: str) -> str:
        """A hash that identifies this account at this gateway: 40 hexadecimal digits."""
        return hashlib.sha256(f"account {self.api_key} at {base_url}".encode()).hexdigest()[:40]

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Credentials:
        """The pair in `ESMS_API_KEY` and `ESMS_SECRET_KEY`."""
        names = {"ESMS_API_KEY": "ApiKey", "ESMS_SECRET_KEY": "SecretKey"}
        missing = [name for name in names if not environ.get(name)]
        problem = f"Set {' and '.join(missing)} in the environment (keys: account.esms.vn)." if missing else None
        for variable, name in names.items():
            problem = problem or _problem_with(name, environ[variable])
        if problem is None:
            return cls(environ["ESMS_API_KEY"], environ["ESMS_SECRET_KEY"])
        del environ
        raise ConfigurationError(problem)


def _problem_with(name: str, value: object) -> str | None:
    """Why a key is invalid, without showing it."""
    if not isinstance(value, str) or not value:
        return f"The {name} is missing. Copy it from account.esms.vn."
    # Registered first: the error message about a key must not show it.
    register_secret(value.strip() or value)
    if value != value.strip():
        return f"The {name} starts or ends with a space or line break. Copy it again without it."
    if not value.isascii() or not value.isprintable() or " " in value:
        return f"The {name} contains spaces or characters that no key can have. Copy it again."
    if any(character in "{}<>$" for character in value):
        return f"The {name} looks like a placeholder that was never filled in."
    return None
