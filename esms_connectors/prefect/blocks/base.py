"""What our blocks share, and how a task gets at one by its name."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID

from prefect.blocks.core import Block
from pydantic import ConfigDict, HttpUrl, ValidationError

from esms_connectors.gateway.errors import ConfigurationError
from esms_connectors.gateway.redaction import redact
from esms_connectors.prefect.async_twins import async_dispatch, in_sync

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient

# Prefect takes web addresses only, no data: and no file, and only the browser of who looks at a block asks for them.
# Without a network there the picture is missing, and nothing else; the text of a block comes from its docstring.
LOGO_URL = HttpUrl(
    "https://raw.githubusercontent.com/esms-connectors/esms-connectors/main/esms_connectors/prefect/logo.png"
)
DOCUMENTATION_URL = HttpUrl("https://github.com/esms-connectors/esms-connectors/blob/main/docs/prefect.md")


class BlockNotReachedError(ConfigurationError):
    """The Prefect server did not hand out a block; later it may."""

    retryable = True


B = TypeVar("B", bound="EsmsBlock")


class EsmsBlock(Block, ABC):
    """
    Base of our blocks: they travel to other processes by reference.

    Result serializers, Dask and process pools pickle what they are given, and a pickled `SecretStr` is plain text. So a
    saved block is pickled as its id, and loaded again where it arrives; one that was never saved cannot be pickled.
    """

    # What pydantic refuses it would print, and with a field that is missing all the others.
    model_config = ConfigDict(hide_input_in_errors=True)

    _logo_url: ClassVar[HttpUrl | None] = LOGO_URL
    _documentation_url: ClassVar[HttpUrl | None] = DOCUMENTATION_URL

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if self._block_document_id is None:
            raise ConfigurationError(
                f"This {type(self).__name__} holds secrets and was not saved: save it, and hand over its name."
            )
        return _load_by_id, (type(self), self._block_document_id)

    def _check_before_saving(self) -> None:
        """What is stored is used elsewhere and later: make relative paths absolute, refuse what cannot work there."""

    async def asave(
        self, name: str | None = None, overwrite: bool = False, client: PrefectClient | None = None
    ) -> UUID:
        """
        Store the block on the Prefect server. Relative paths are made absolute, mistakes are refused.

        Args:
            name: Of the block; None saves it under the name it has.
            overwrite: Take the place of a block of that name.
            client: Of the server.

        Raises:
            ConfigurationError, InvalidRequestError: something cannot be used as it is.
        """
        self._check_before_saving()
        saved: UUID = await super().asave(name=name, overwrite=overwrite, client=client)
        return saved

    @async_dispatch(asave)
    def save(self, name: str | None = None, overwrite: bool = False, client: PrefectClient | None = None) -> UUID:
        """
        Store the block on the Prefect server. Relative paths are made absolute, mistakes are refused. It is `asave`
        where a loop runs.

        Args:
            name: Of the block; None saves it under the name it has.
            overwrite: Take the place of a block of that name.
            client: Of the server; not used here.

        Raises:
            ConfigurationError, InvalidRequestError: something cannot be used as it is.
        """
        self._check_before_saving()
        saved: UUID = in_sync(super().save)(name=name, overwrite=overwrite)
        return saved


def _load_by_id(kind: type[EsmsBlock], document_id: UUID) -> EsmsBlock:
    block: EsmsBlock = in_sync(kind.load_from_ref)(document_id)
    return block


def _refused(error: Exception) -> str | None:
    """The fields of a stored block that are refused and by which rule, without their values; None for other errors."""
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
    The block itself, or the saved one of that name.

    Raises:
        ConfigurationError: there is none of that name, or it does not fit.
        BlockNotReachedError: the server could not be asked.
    """
    if not isinstance(given, str):
        return given
    slug = kind.get_block_type_slug()
    failure = ConfigurationError
    try:
        block: B = in_sync(kind.load)(given)
    except Exception as error:  # noqa: BLE001 - raised anew: their texts hold addresses, or what they refuse
        if isinstance(error, ValueError) and "Unable to find block document" in str(error):
            problem = f"There is no block {slug}/{given}. Save one: {kind.__name__}(…).save({given!r})."
        elif (refused := _refused(error)) is not None:
            problem = f"Block {slug}/{given} cannot be used: {refused}. Open it, fill it in and save it again."
        else:
            failure = BlockNotReachedError
            problem = f"Block {slug}/{given} could not be loaded from the Prefect server ({type(error).__name__})."
    else:
        return block
    raise failure(problem)
