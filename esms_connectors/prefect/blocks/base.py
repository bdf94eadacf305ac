"""The base of our blocks, and loading a block by name."""

from __future__ import annotations

import asyncio
from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from uuid import UUID

from prefect.blocks.core import Block
from pydantic import ConfigDict, HttpUrl, ValidationError

from esms_connectors.gateway.errors import ConfigurationError, EsmsError, foreign_errors
from esms_connectors.gateway.redaction import redact
from esms_connectors.prefect.async_twins import async_dispatch, in_sync

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

# Prefect accepts only web addresses here, no data: URLs or files, and only the user's browser loads them. Without a
# network just the picture is missing; the text of a block comes from its docstring.
LOGO_URL = HttpUrl(
    "https://raw.githubusercontent.com/esms-connectors/esms-connectors/main/esms_connectors/prefect/logo.png"
)
DOCUMENTATION_URL = HttpUrl("https://github.com/esms-connectors/esms-connectors/blob/main/docs/prefect.md")


class BlockNotReachedError(ConfigurationError):
    """The Prefect server could not be asked for a block; a retry may succeed."""

    retryable = True


B = TypeVar("B", bound="EsmsBlock")


class EsmsBlock(Block, ABC):
    """
    Base of our blocks, which are passed to other processes by reference.

    Result serializers, Dask and process pools pickle their arguments, and a pickled `SecretStr` is plain text. So a
    saved block is pickled as its id and loaded again in the other process; an unsaved block cannot be pickled.
    """

    # Pydantic errors would print the refused value, and for a missing field the values of all others.
    model_config = ConfigDict(hide_input_in_errors=True)

    _logo_url: ClassVar[HttpUrl | None] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION_URL

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if self._block_document_id is None:
            raise ConfigurationError(
                f"This {type(self).__name__} contains secrets and was not saved: save it, and pass its name."
            )
        return _load_by_id, (type(self), self._block_document_id)

    def _check_before_saving(self) -> None:
        """A stored block is used on other machines: make relative paths absolute and refuse what cannot work there."""

    def _check_replaces(self, stored: Self) -> None:
        """Called with the stored block that this one will replace."""

    def _check_name(self, name: str | None) -> None:
        try:
            stored = load_block(type(self), name or self._block_document_name or "")
        except ConfigurationError:
            return  # nothing that could be replaced, or not readable
        self._check_replaces(stored)

    async def asave(
        self, name: str | None = None, overwrite: bool = False, client: PrefectClient | None = None
    ) -> UUID:
        """
        Store the block on the Prefect server. Relative paths are made absolute, invalid settings are refused.

        Args:
            name: Name of the block; None keeps its current name.
            overwrite: Replace an existing block of that name.
            client: A client of the server.

        Raises:
            ConfigurationError, InvalidRequestError: a setting is invalid.
        """
        self._check_before_saving()
        if overwrite:
            await asyncio.to_thread(self._check_name, name)
        saved: UUID = await super().asave(name=name, overwrite=overwrite, client=client)
        return saved

    @async_dispatch(asave)
    def save(self, name: str | None = None, overwrite: bool = False, client: PrefectClient | None = None) -> UUID:
        """
        Store the block on the Prefect server. Relative paths are made absolute, invalid settings are refused. In an
        event loop it is `asave`.

        Args:
            name: Name of the block; None keeps its current name.
            overwrite: Replace an existing block of that name.
            client: A client of the server; not used here.

        Raises:
            ConfigurationError, InvalidRequestError: a setting is invalid.
        """
        self._check_before_saving()
        if overwrite:
            self._check_name(name)
        saved: UUID = in_sync(super().save)(name=name, overwrite=overwrite)
        return saved


def _load_by_id(kind: type[EsmsBlock], document_id: UUID) -> EsmsBlock:
    block: EsmsBlock = in_sync(kind.load_from_ref)(document_id)
    return block


def _refused(error: Exception) -> str | None:
    """The refused fields of a stored block and why, without their values; None for other errors."""
    found = error if isinstance(error, ValidationError) else error.__cause__
    if not isinstance(found, ValidationError):
        return None
    told = (
        f"{'.'.join(map(str, one['loc'])) or 'the block'}: {one['msg'].removeprefix('Value error, ')}"
        for one in found.errors(include_url=False, include_context=False, include_input=False)
    )
    return redact("; ".join(told))


def load_block(kind: type[B], given: str | B) -> B:
    """
    The given block, or the saved block of that name.

    Raises:
        ConfigurationError: there is no block of that name, or it is invalid.
        BlockNotReachedError: the server could not be asked.
    """
    if not isinstance(given, str):
        return given
    slug = kind.get_block_type_slug()

    def not_loaded(error: Exception) -> EsmsError:
        if isinstance(error, ValueError) and "Unable to find block document" in str(error):
            return ConfigurationError(
                f"There is no block {slug}/{given}. Save one: {kind.__name__}(…).save({given!r})."
            )
        if (refused := _refused(error)) is not None:
            return ConfigurationError(
                f"Block {slug}/{given} cannot be used: {refused}. Open it, fill it in and save it again."
            )
        return BlockNotReachedError(
            f"Block {slug}/{given} could not be loaded from the Prefect server ({type(error).__name__})."
        )

    with foreign_errors(not_loaded):
        block: B = in_sync(kind.load)(given)
    return block
