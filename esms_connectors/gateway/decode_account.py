"""Answers about the account, its names and its Zalo Official Accounts -> models; as lenient as `decode`."""

from __future__ import annotations

from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway import wire
from esms_connectors.gateway.endpoints import Effect, Endpoint
from esms_connectors.gateway.errors import OutcomeUnknownError
from esms_connectors.gateway.read_models import (
    Brandname,
    OaFollowersPage,
    OaQuality,
    OaQuota,
    OfficialAccount,
    PriceEstimate,
    Registration,
    SmsTemplate,
    ZnsRating,
    ZnsRatingsPage,
    ZnsTemplateSlot,
    ZnsTemplateSummary,
)
from esms_connectors.gateway.redaction import redact
from esms_connectors.gateway.wire import Fields, pick


def rows_of(endpoint: Endpoint, answer: Fields, name: str) -> list[Fields]:
    """
    The objects in the list `name`.

    Raises:
        OutcomeUnknownError: there is no such list, so the answer must not be read as an empty one.
    """
    rows = pick(answer, name)
    if not isinstance(rows, list):
        raise missing_value(endpoint, name)
    return wire.as_rows(rows)


def missing_value(endpoint: Endpoint, name: str) -> OutcomeUnknownError:
    """The error for a success code without the requested data."""
    return OutcomeUnknownError(
        f"{endpoint.name} was answered with a success code but without {name}. Reading again is safe.",
        retryable=endpoint.effect is Effect.READ,
        endpoint=endpoint.name,
    )


def brandnames(answer: Fields) -> tuple[Brandname, ...]:
    rows = rows_of(catalogue.LIST_BRANDNAMES, answer, "ListBrandName")
    return tuple(
        Brandname(name=wire.as_verbatim(pick(row, "Brandname")), sms_type=wire.as_number(pick(row, "Type")))
        for row in rows
    )


def sms_templates(answer: Fields) -> tuple[SmsTemplate, ...]:
    rows = rows_of(catalogue.LIST_CUSTOMER_CARE_TEMPLATES, answer, "BrandnameTemplates")
    return tuple(
        SmsTemplate(
            template_id=wire.as_text(pick(row, "TempId")) or "",
            network_id=wire.as_number(pick(row, "NetworkID")),
            content=wire.as_verbatim(pick(row, "TempContent")),
        )
        for row in rows
    )


def price_estimate(endpoint: Endpoint, answer: Fields) -> PriceEstimate:
    price = wire.as_price(pick(answer, "TotalPrice"))
    if price is None:
        raise missing_value(endpoint, "TotalPrice")
    return PriceEstimate(price_vnd=price, receivers=wire.as_count(pick(answer, "TotalReceiver")))


def official_accounts(answer: Fields) -> tuple[OfficialAccount, ...]:
    rows = rows_of(catalogue.LIST_OAS, answer, "ZOAList")
    return tuple(
        OfficialAccount(oa_id=wire.as_text(pick(row, "OAID")) or "", name=wire.as_verbatim(pick(row, "OAName")))
        for row in rows
    )


def zns_templates(answer: Fields) -> tuple[ZnsTemplateSummary, ...]:
    rows = rows_of(catalogue.LIST_ZNS_TEMPLATES, answer, "ZNSTemplates")
    return tuple(
        ZnsTemplateSummary(
            template_id=wire.as_text(pick(row, "TempId")) or "",
            name=wire.as_verbatim(pick(row, "TempName")),
            content=wire.as_verbatim(pick(row, "TempContent")),
            slots=_slots(wire.as_rows(pick(row, "ZNSTempDetail"))),
        )
        for row in rows
    )


def _slots(rows: list[Fields]) -> tuple[ZnsTemplateSlot, ...]:
    slots = [
        ZnsTemplateSlot(
            name=wire.as_text(pick(row, "Param")) or f"param {number}",
            position=wire.as_count(pick(row, "ParamLevel")),
            max_length=wire.as_count(pick(row, "Limit")),
            param_type=wire.as_text(pick(row, "RequireType")),
        )
        for number, row in enumerate(rows, start=1)
    ]
    # ParamLevel is the only documented source of the order; slots without one follow in their original order.
    return tuple(sorted(slots, key=lambda slot: len(slots) + 1 if slot.position is None else slot.position))


def oa_quota(answer: Fields) -> OaQuota:
    quota = OaQuota(
        daily=wire.as_count(pick(answer, "DailyQuota")), remaining=wire.as_count(pick(answer, "RemainingQuota"))
    )
    if quota == OaQuota(None, None):
        raise missing_value(catalogue.GET_OA_QUOTA, "a quota")
    return quota


def oa_quality(answer: Fields) -> OaQuality:
    return OaQuality(
        current=wire.as_text(pick(answer, "OaCurrentQuality")), last_7_days=wire.as_text(pick(answer, "Oa7dayQuality"))
    )


def zns_ratings(answer: Fields) -> ZnsRatingsPage:
    rows = rows_of(catalogue.LIST_ZNS_RATINGS, answer, "Data")
    return ZnsRatingsPage(total=wire.as_count(pick(answer, "Total")), ratings=tuple(map(_rating, rows)))


def _rating(row: Fields) -> ZnsRating:
    feedbacks = pick(row, "feedbacks")
    # A list in the samples, one text in the table.
    phrases = feedbacks if isinstance(feedbacks, list) else [feedbacks]
    return ZnsRating(
        zalo_message_id=wire.as_text(pick(row, "msgId")),
        stars=wire.as_number(pick(row, "rate")),
        feedbacks=tuple(text for phrase in phrases if (text := wire.as_text(phrase))),
        note=wire.as_verbatim(pick(row, "note")),
        submitted_at=wire.as_epoch_time(pick(row, "submitDate")),
        tracking_id=wire.as_text(pick(row, "trackingId")),
    )


def oa_followers(answer: Fields) -> OaFollowersPage:
    rows = rows_of(catalogue.LIST_OA_FOLLOWERS, answer, "Followers")
    user_ids = (wire.as_text(pick(row, "User_Id")) for row in rows)
    return OaFollowersPage(
        total=wire.as_count(pick(answer, "Total")), zalo_user_ids=tuple(one for one in user_ids if one)
    )


def registration(endpoint: Endpoint, answer: Fields) -> Registration:
    return Registration(
        endpoint=endpoint.name,
        registration_id=wire.as_text(pick(answer, "ServicePreviewId")),
        gateway_message=redact(wire.as_text(pick(answer, "ErrorMessage", "Message")) or "")[:200],
    )
