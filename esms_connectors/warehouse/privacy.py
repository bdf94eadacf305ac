"""The personal data that a warehouse keeps, chosen once per warehouse."""

from __future__ import annotations

import enum
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from esms_connectors.gateway.arguments import person_name
from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.redaction import mask_phone, register_secret
from esms_connectors.sent_data.columns import UNNAMED
from esms_connectors.warehouse.contract import ROW_SCHEMA, Person, Warehouse
from esms_connectors.warehouse.retention import rows_about

# The ledger's hash length, so that the two can be joined if they share a secret.
_HASH_LENGTH = 40
_KEY_LENGTH = 24


class PhoneForm(enum.StrEnum):
    """The content of the column `phone`."""

    PLAIN = "plain"
    HASHED = "hashed"  # rows of one person can be matched, but the number cannot be read
    MASKED = "masked"  # 090*****84
    OMITTED = "omitted"


@dataclass(frozen=True, slots=True)
class Privacy:
    """
    How phones and texts are transformed before they are stored.

    Args:
        phone: see `PhoneForm`.
        secret: the key of the hashes, required unless phones stay plain. Row keys depend on it, so another secret needs
            another warehouse.
        content: False leaves out the texts.

    Raises:
        ConfigurationError: a required secret is missing.
    """

    phone: PhoneForm = PhoneForm.PLAIN
    secret: str | None = field(default=None, repr=False)
    content: bool = True

    @classmethod
    def from_env(cls, phone: PhoneForm | str = PhoneForm.PLAIN, *, content: bool = True) -> Privacy:
        """Use the secret in `ESMS_PHONE_SECRET`; it is read from the environment only."""
        return cls(PhoneForm(phone), os.environ.get("ESMS_PHONE_SECRET") or None, content)

    def __post_init__(self) -> None:
        if self.phone is not PhoneForm.PLAIN and not self.secret:
            raise ConfigurationError(
                f"Phones that are stored {self.phone} need a secret to distinguish rows: set ESMS_PHONE_SECRET, and "
                "keep it as long as the warehouse."
            )
        if self.secret:
            register_secret(self.secret)

    @property
    def fingerprint(self) -> str:
        """The text stored in `esms_loads` to detect a load with another form or another secret."""
        phone = self.phone.value
        if self.phone is not PhoneForm.PLAIN:
            phone += f":{self._hash('esms-connectors', 8)}"
        return f"phone={phone} content={'kept' if self.content else 'omitted'}"

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`SENT_MESSAGE_SCHEMA` -> `ROW_SCHEMA`."""
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        ids, phones = columns["message_id"], columns["phone"]
        if self.phone is PhoneForm.PLAIN:
            row_key = pc.binary_join_element_wise(ids, phones, ":", null_handling="replace", null_replacement="")
        else:
            plain = phones.to_pylist()
            names = [self._named(message_id) for message_id in ids.to_pylist()]
            row_key = pa.array([self._private_key(*pair) for pair in zip(names, plain, strict=True)], pa.string())
            columns["message_id"] = pa.array(names, pa.string())
            columns["phone"] = pa.array([self._shown(phone) for phone in plain], pa.string())
        if not self.content:
            columns["content"] = pa.nulls(batch.num_rows, pa.string())
        return pa.RecordBatch.from_arrays(
            [row_key, *(columns[name] for name in ROW_SCHEMA.names[1:])], schema=ROW_SCHEMA
        )

    def digest(self, plain: str) -> str:
        """The digest for `esms_loads`; keyed, because the digest of a window with one row would reveal its phone."""
        return plain if self.phone is PhoneForm.PLAIN else self._hash(f"digest:{plain}", len(plain))

    def person(self, number: str, rows: Sequence[tuple[str, str]] = ()) -> Person:
        """A person by name, see `person_name`; `rows` as in `Person`."""
        findable = self.phone in (PhoneForm.PLAIN, PhoneForm.HASHED)

        def row_key_of(message_id: str | None) -> str:
            if self.phone is PhoneForm.PLAIN:
                return f"{message_id or ''}:{number}"
            return self._private_key(message_id, number)

        return Person(
            stored_phone=self._shown(number) if findable else None,
            row_key_of=row_key_of,
            name=number,
            international=f"84{number[1:]}" if number.startswith("0") else number,
            rows=tuple(rows),
        )

    def _named(self, message_id: str) -> str:
        """Hash ids generated here as well: they derive from the phone, which could be found by trying all phones."""
        if not message_id.startswith(UNNAMED):
            return message_id
        return f"{UNNAMED}{self._hash(message_id, _KEY_LENGTH)}"

    def _private_key(self, message_id: str | None, phone: str | None) -> str:
        named = message_id or ""
        return f"{named}:{self._hash(f'{named}:{phone}', _KEY_LENGTH)}"

    def _shown(self, phone: str | None) -> str | None:
        if phone is None:
            return None
        match self.phone:
            case PhoneForm.PLAIN:
                return phone
            case PhoneForm.HASHED:
                return self._hash(phone, _HASH_LENGTH)
            case PhoneForm.MASKED:
                return mask_phone(phone)
        return None

    def _hash(self, text: str, length: int) -> str:
        return hmac.digest((self.secret or "").encode(), text.encode(), hashlib.sha256).hex()[:length]


def erase_phone(
    warehouse: Warehouse,
    phone: str | None,
    privacy: Privacy,
    *,
    zalo_user_id: str | None = None,
    rows: Sequence[tuple[str, str]] = (),
) -> dict[str, int]:
    """
    Remove a person's rows, history and outcomes from a warehouse. Returns table -> rows removed.

    The gateway still lists them: loading the same windows again restores them.

    Args:
        phone: in any spelling; or `zalo_user_id`.
        rows: run key and row key of this person's rows in the ledger, see `Person`.

    Raises:
        InvalidRequestError: not a Vietnamese mobile number.
        ConfigurationError: the warehouse keeps phones in another form than `privacy`, so nothing would be found; or
            nothing was ever loaded into it.
    """
    person = privacy.person(person_name(phone, zalo_user_id), rows)
    with warehouse.held():
        warehouse.prepare()
        _check_phones(warehouse, privacy)
        return warehouse.erase(person)


def person_in(
    warehouse: Warehouse,
    phone: str | None,
    privacy: Privacy,
    *,
    zalo_user_id: str | None = None,
    rows: Sequence[tuple[str, str]] = (),
) -> dict[str, list[dict[str, Any]]]:
    """
    What a warehouse holds about a person: table -> rows by column. Arguments and errors as in `erase_phone`.
    """
    person = privacy.person(person_name(phone, zalo_user_id), rows)
    _check_phones(warehouse, privacy)
    return warehouse.ask(lambda reader: rows_about(reader, person))


def _check_phones(warehouse: Warehouse, privacy: Privacy) -> None:
    has_loads = False
    for load in warehouse.loads():
        has_loads = True
        kept, asked = (text.split(" content=")[0] for text in (load.privacy, privacy.fingerprint))
        if kept != asked:
            raise ConfigurationError(
                f"{warehouse.name} stores phones differently ({kept.removeprefix('phone=')}): use the same --phones "
                "and the same ESMS_PHONE_SECRET as for the pull. It was not searched."
            )
    if not has_loads:
        # Probably a wrong address; do not report the person as removed.
        raise ConfigurationError(f"Nothing was ever loaded into {warehouse.name}: is the address correct?")
