"""The account and its names: balance, brandnames, SMS templates, prices; registering and buying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from esms_connectors.gateway import decode, decode_account, wire
from esms_connectors.gateway import endpoints as catalogue
from esms_connectors.gateway.arguments import check_callback_url, check_choice, check_label, normalise_phones
from esms_connectors.gateway.calls.base import Calls
from esms_connectors.gateway.endpoints import Endpoint
from esms_connectors.gateway.errors import InvalidRequestError
from esms_connectors.gateway.models import Balance, SmsType
from esms_connectors.gateway.phones import normalise_phone
from esms_connectors.gateway.read_models import Brandname, OaPackage, PriceEstimate, Registration, SmsTemplate


class AccountCalls(Calls):
    """The account."""

    def get_balance(self) -> Balance:
        """
        The money left on the account. Only reads, so it is also the way to test the keys.

        Raises:
            AuthenticationError, AddressNotAllowedError: the keys or this machine's address are refused.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: get-balance (GetBalance_json).
        """
        return decode.balance(self._transport.call(catalogue.GET_BALANCE, {}))

    def list_brandnames(self) -> tuple[Brandname, ...]:
        """
        The registered sender IDs, each with its message type.

        Raises:
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Get list registered brandnames (GetListBrandname; the keys are in its path).
        """
        return decode_account.brandnames(self._transport.call(catalogue.LIST_BRANDNAMES, {}).fields)

    def list_customer_care_templates(self, brandname: str) -> tuple[SmsTemplate, ...]:
        """
        The texts registered for a brandname, one per network; a customer-care SMS must match one of them.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Get list customer care templates (GetTemplate).
        """
        fields = {"SmsType": str(SmsType.CUSTOMER_CARE.value), "Brandname": check_label(brandname, "brandname")}
        answer = self._transport.call(catalogue.LIST_CUSTOMER_CARE_TEMPLATES, fields)
        return decode_account.sms_templates(answer.fields)

    def estimate_customer_care_sms(
        self, phone: str, content: str, brandname: str, *, is_unicode: bool | None = None
    ) -> PriceEstimate:
        """
        What a customer-care SMS would cost. Sends nothing; arguments as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Summary your customer care submit (SummaryMultipleMessage_V4_get).
        """
        endpoint = catalogue.ESTIMATE_CUSTOMER_CARE_SMS
        fields = {
            "Phone": normalise_phone(phone),
            "Content": wire.check_text(content, "content"),
            "SmsType": str(SmsType.CUSTOMER_CARE.value),
            # Only this function spells it with a capital N.
            "BrandName": check_label(brandname, "brandname"),
            "IsUnicode": wire.unicode_flag(content, is_unicode),
        }
        return decode_account.price_estimate(endpoint, self._transport.call(endpoint, fields).fields)

    def estimate_advertising_sms(self, phones: Sequence[str], content: str, brandname: str) -> PriceEstimate:
        """
        What an advertising SMS to these numbers would cost. Sends nothing; arguments as in `send_advertising_sms`.

        Raises:
            InvalidRequestError, GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`.

        Source: Summary your advertising submit (SummaryMultipleSMSBrandname).
        """
        endpoint = catalogue.ESTIMATE_ADVERTISING_SMS
        fields = {
            "CONTENT": wire.check_text(content, "content"),
            "SMSTYPE": str(SmsType.ADVERTISING.value),
            "BRANDNAME": check_label(brandname, "brandname"),
        }
        answer = self._transport.call(endpoint, fields, phones=normalise_phones(phones, 1, None))
        return decode_account.price_estimate(endpoint, answer.fields)

    # --- registering and buying: never repeated ----------------------------------------------------------------------

    def purchase_oa_package(
        self, oa_id: str, package: OaPackage | int, starts_on: date, duration: str | int
    ) -> Registration:
        """
        Buy a package for a Zalo Official Account. Costs money, and the gateway does not reject a second purchase.

        Args:
            package: 1 trial, 2 advanced, 3 premium.
            starts_on: the first day.
            duration: the documentation gives no unit; ask your contact at the gateway.

        Raises:
            InvalidRequestError: also with a client in sandbox mode: there is no sandbox for it.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; an unknown outcome is never repeated.

        Source: Purchase OA package (RegisOAPackageJson).
        """
        if not isinstance(starts_on, date):
            raise InvalidRequestError("starts_on takes a date.", field="starts_on")
        fields = {
            "Dateactive": starts_on.strftime("%Y-%m-%d"),
            # The gateway's spelling.
            "Duaration": check_label(str(duration), "duration"),
            "OAID": check_label(oa_id, "oa_id"),
            "Package": check_choice(package, tuple(OaPackage), "package"),
        }
        return self._register(catalogue.PURCHASE_OA_PACKAGE, fields)

    def register_zns_template(
        self,
        oa_id: str,
        content: str,
        image_url: str,
        *,
        sms_type: SmsType | int = SmsType.ZNS,
        first_link: str | None = None,
        second_link: str | None = None,
        callback_url: str | None = None,
    ) -> Registration:
        """
        Submit a ZNS template for approval. Has a lasting effect, and the gateway does not reject a second submission.

        Args:
            content: the text of the template.
            image_url: a png of 400 x 69 on white or black.
            sms_type: 24 priority, 25 normal.
            first_link, second_link: the buttons.
            callback_url: gets the outcome.

        Raises:
            InvalidRequestError: also with a client in sandbox mode.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; an unknown outcome is never repeated.

        Source: Registering the Zalo template (RegisZNSTemplateJson).
        """
        fields = {
            "Content": wire.check_text(content, "content"),
            "ImageUrl": check_label(image_url, "image_url"),
            **wire.given(CTA1=first_link, CTA2=second_link),
            "OAID": check_label(oa_id, "oa_id"),
            "SmsType": str(check_choice(sms_type, (SmsType.ZNS_PRIORITY, SmsType.ZNS), "sms_type")),
            **wire.given(CallbackUrl=callback_url and check_callback_url(callback_url)),
        }
        return self._register(catalogue.REGISTER_ZNS_TEMPLATE, fields)

    def register_sms_template(
        self,
        brandname: str,
        content: str,
        *,
        sms_type: SmsType | int = SmsType.CUSTOMER_CARE,
        is_unicode: bool | None = None,
        assets_url: str | None = None,
        customer_name: str | None = None,
        customer_phone: str | None = None,
        customer_email: str | None = None,
        callback_url: str | None = None,
    ) -> Registration:
        """
        Submit an SMS template for approval. Has a lasting effect, and the gateway does not reject a second submission.

        Args:
            sms_type: 2 customer care, 8 fixed number.
            assets_url: where the supporting documents can be downloaded.
            customer_name, customer_phone, customer_email: the contact for questions.
            brandname, content, is_unicode, callback_url: as in `send_customer_care_sms`.

        Raises:
            InvalidRequestError: also with a client in sandbox mode.
            GatewayError, NotSentError, OutcomeUnknownError: see `gateway.errors`; an unknown outcome is never repeated.

        Source: Registering SMS template (SubServicePreviewJson).
        """
        fields = {
            "Content": wire.check_text(content, "content"),
            "Brandname": check_label(brandname, "brandname"),
            "IsUnicode": wire.unicode_flag(content, is_unicode),
            # Numbers here, but texts in the sends.
            "ServiceType": 2,
            "SmsType": check_choice(sms_type, (SmsType.CUSTOMER_CARE, SmsType.FIXED_NUMBER), "sms_type"),
            **wire.given(
                AssetsUrl=assets_url,
                CustomerEmail=customer_email,
                CustomerName=customer_name,
                CustomerPhone=customer_phone,
                CallbackUrl=callback_url and check_callback_url(callback_url),
            ),
        }
        return self._register(catalogue.REGISTER_SMS_TEMPLATE, fields)

    def _register(self, endpoint: Endpoint, fields: Mapping[str, object]) -> Registration:
        # Raises in sandbox mode: none of these functions has a sandbox flag.
        self._options(endpoint)
        return decode_account.registration(endpoint, self._transport.call(endpoint, fields).fields)
