"""A Zalo Official Account: templates, prices, quota, quality, ratings, followers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from esms_connectors.gateway import decode, decode_account, wire
from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway.arguments import check_choice, check_label, check_page
from esms_connectors.gateway.calls.base import Calls
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import SmsType, ZnsTemplate
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.read_models import (
    OaFollowersPage,
    OaQuality,
    OaQuota,
    OfficialAccount,
    PriceEstimate,
    ZnsRatingsPage,
    ZnsTemplateSummary,
)


class OfficialAccountCalls(Calls):
    """Zalo Official Accounts."""

    def get_zns_template(self, template_id: str, oa_id: str) -> ZnsTemplate:
        """
        One registered ZNS template with its variables and their limits.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: get-zalo-template-details (GetZnsTemplateInfo).
        """
        answer = self._transport.call(
            catalogue.GET_ZNS_TEMPLATE,
            {"TemplateId": check_label(template_id, "template_id"), "OAId": check_label(oa_id, "oa_id")},
        )
        return decode.zns_template(answer.fields, template_id)

    def list_oas(self) -> tuple[OfficialAccount, ...]:
        """
        The Zalo Official Accounts that are connected to the account.

        Raises:
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Get list OA (ZNS/GetListZOA).
        """
        return decode_account.official_accounts(self._transport.call(catalogue.LIST_OAS, {}).fields)

    def list_zns_templates(
        self, oa_id: str, *, sms_type: SmsType | int = SmsType.ZNS
    ) -> tuple[ZnsTemplateSummary, ...]:
        """
        The ZNS templates of an OA, with their variables in the order in which positional values are given.

        Args:
            sms_type: 24 priority, 25 normal; one per call.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Get list templates of OA (GetTemplate).
        """
        fields = {
            # The sends spell it OAID.
            "OAId": check_label(oa_id, "oa_id"),
            "SmsType": str(check_choice(sms_type, (SmsType.ZNS_PRIORITY, SmsType.ZNS), "sms_type")),
        }
        return decode_account.zns_templates(self._transport.call(catalogue.LIST_ZNS_TEMPLATES, fields).fields)

    def estimate_zns(
        self, phone: str, template_id: str, oa_id: str, template_params: Sequence[object]
    ) -> PriceEstimate:
        """
        What one ZNS would cost. Sends nothing.

        Args:
            template_params: values in the order of the template.
            phone, template_id, oa_id: as in `send_zns`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Summary Zalo message (SummaryZaloMessage_V4_post_json).
        """
        endpoint = catalogue.ESTIMATE_ZNS
        fields = {
            "Phone": normalise_phone(phone),
            "Params": wire.template_params(template_params),
            "TempID": check_label(template_id, "template_id"),
            "OAID": check_label(oa_id, "oa_id"),
        }
        return decode_account.price_estimate(endpoint, self._transport.call(endpoint, fields).fields)

    def get_oa_quota(self, oa_id: str) -> OaQuota:
        """
        How many ZNS an OA may send per day, and how many are left today.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Get the daily quota of OA (ZNS/GetQuota).
        """
        answer = self._transport.call(catalogue.GET_OA_QUOTA, {"OAID": check_label(oa_id, "oa_id")})
        return decode_account.oa_quota(answer.fields)

    def get_oa_quality(self, oa_id: str) -> OaQuality:
        """
        The sending quality of an OA, which affects its quota: HIGH, MEDIUM, LOW or UNDEFINED.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Check the OA quality (ZNS/GetQuality).
        """
        answer = self._transport.call(catalogue.GET_OA_QUALITY, {"OAID": check_label(oa_id, "oa_id")})
        return decode_account.oa_quality(answer.fields)

    def list_zns_ratings(
        self,
        oa_id: str,
        template_id: str,
        start: datetime,
        end: datetime,
        *,
        offset: int = 0,
        limit: int = 50,
    ) -> ZnsRatingsPage:
        """
        Customers' ratings of a template: stars, chosen phrases, a note.

        Args:
            start, end: aware. The documentation gives no format; sent as milliseconds since 1970, like in the answers.
            offset: the first rating, counted from 0.
            limit: ratings in one answer; its maximum is not documented.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Get rating information of Zalo users (ZNS/GetRating).
        """
        since, until = wire.epoch_milliseconds(start, "start"), wire.epoch_milliseconds(end, "end")
        if since > until:
            raise InvalidRequestError("start is later than end.", field="start")
        check_page(offset, limit, "limit")
        fields = {
            "OAID": check_label(oa_id, "oa_id"),
            # The sends spell it TempID.
            "TemplateID": check_label(template_id, "template_id"),
            "FromTime": str(since),
            "ToTime": str(until),
            "Offset": str(offset),
            "Limit": str(limit),
        }
        return decode_account.zns_ratings(self._transport.call(catalogue.LIST_ZNS_RATINGS, fields).fields)

    def list_oa_followers(self, oa_id: str, *, offset: int = 0, count: int = 50) -> OaFollowersPage:
        """
        The Zalo user ids of an OA's followers; consulting messages are addressed to these ids.

        Args:
            offset: the first follower, counted from 0.
            count: followers in one answer; its maximum is not documented.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Get list Zalo's followers (ZNS/GetFollowers).
        """
        check_page(offset, count, "count")
        fields = {"OAID": check_label(oa_id, "oa_id"), "Offset": offset, "Count": count}
        return decode_account.oa_followers(self._transport.call(catalogue.LIST_OA_FOLLOWERS, fields).fields)
