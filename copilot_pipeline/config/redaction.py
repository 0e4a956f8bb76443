"""The section `privacy.redact` of `pipeline.yaml`."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from copilot_pipeline.config.sources import nearest
from copilot_pipeline.config.types import Strict

# What releases 2.2.358 to 2.2.366 of Presidio recognize by patterns and checksums, in any language.
GENERIC_ENTITIES = (
    "CREDIT_CARD",
    "CRYPTO",
    "DATE_TIME",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "MAC_ADDRESS",
    "PHONE_NUMBER",
    "URL",
    "UUID",
)
# The same, for identifiers of one country.
COUNTRY_ENTITIES = (
    *("AU_ABN", "AU_ACN", "AU_MEDICARE", "AU_TFN"),
    *("CA_POSTAL_CODE", "CA_SIN"),
    *("DE_BSNR", "DE_FUEHRERSCHEIN", "DE_HANDELSREGISTER", "DE_HEALTH_INSURANCE", "DE_ID_CARD", "DE_KFZ", "DE_LANR"),
    *("DE_PASSPORT", "DE_PLZ", "DE_SOCIAL_SECURITY", "DE_TAX_ID", "DE_TAX_NUMBER", "DE_VAT_ID"),
    *("ES_NIE", "ES_NIF", "ES_PASSPORT"),
    "FI_PERSONAL_IDENTITY_CODE",
    *("IN_AADHAAR", "IN_GSTIN", "IN_PAN", "IN_PASSPORT", "IN_VEHICLE_REGISTRATION", "IN_VOTER"),
    *("IT_DRIVER_LICENSE", "IT_FISCAL_CODE", "IT_IDENTITY_CARD", "IT_PASSPORT", "IT_VAT_CODE"),
    *("KR_BRN", "KR_DRIVER_LICENSE", "KR_FRN", "KR_PASSPORT", "KR_RRN"),
    *("NG_NIN", "NG_VEHICLE_REGISTRATION"),
    *("PH_PASSPORT", "PH_TIN", "PH_UMID"),
    "PL_PESEL",
    *("SE_ORGANISATIONSNUMMER", "SE_PERSONNUMMER"),
    *("SG_NRIC_FIN", "SG_UEN"),
    "TH_TNIN",
    *("TR_LICENSE_PLATE", "TR_NATIONAL_ID"),
    *("UK_DRIVING_LICENCE", "UK_NHS", "UK_NINO", "UK_PASSPORT", "UK_POSTCODE", "UK_VEHICLE_REGISTRATION"),
    *("ABA_ROUTING_NUMBER", "MEDICAL_LICENSE", "US_BANK_NUMBER", "US_CLAIM_NUMBER", "US_DRIVER_LICENSE"),
    *("US_HEALTH_INSURANCE_MEMBER_ID", "US_ITIN", "US_MBI", "US_NPI", "US_PASSPORT", "US_PRESCRIPTION_NUMBER"),
    *("US_PRIOR_AUTHORIZATION_NUMBER", "US_PROVIDER_TAX_ID", "US_REFERRAL_NUMBER", "US_SSN"),
    *("ZA_COMPANY_REGISTRATION", "ZA_DRIVER_LICENSE", "ZA_ID_NUMBER", "ZA_INCOME_TAX_NUMBER", "ZA_LICENSE_PLATE"),
    *("ZA_MOBILE_NUMBER", "ZA_PASSPORT", "ZA_TELEPHONE_NUMBER", "ZA_TRAFFIC_REGISTER_NUMBER", "ZA_VAT_NUMBER"),
)
PERSON = "PERSON"  # participants of the call are always recognized, other people by a model
MODEL_ENTITIES = ("LOCATION", "NRP", "ORGANIZATION")  # recognized by a model only
ENTITIES = frozenset((PERSON, *GENERIC_ENTITIES, *COUNTRY_ENTITIES, *MODEL_ENTITIES))

DEFAULT_ENTITIES = (PERSON, "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "URL")
# Names under which the package index has a package that is not from the authors of spaCy.
REFUSED_MODELS = frozenset({"en_core_web_trf"})


class RedactionSettings(Strict):
    """What is replaced in transcripts, and before which step."""

    before: Literal["scoring", "storing"] = Field(
        description="`scoring`: what is sent to Semarize is redacted, what is stored is not. `storing`: the stored "
        "transcripts, utterances and summaries are redacted as well."
    )
    entities: tuple[str, ...] = Field(
        default=DEFAULT_ENTITIES,
        description="What is replaced, by Presidio's names (see docs/privacy.md). The names of the participants of a "
        "call are always replaced.",
    )
    replace: Literal["tag", "pseudonym"] = Field(
        default="tag",
        description="`tag`: `[PERSON]`, `[PHONE]`. `pseudonym`: a number for each value within a call as well: "
        "`Rep 1`, `Prospect 1`, `[PHONE 1]`.",
    )
    phone_regions: tuple[str, ...] = Field(
        default=("US", "GB", "DE", "FR"),
        min_length=1,
        description="Countries (ISO 3166) whose national phone numbers are recognized; numbers with a country code "
        "are recognized of any.",
    )
    models: tuple[str, ...] = Field(
        default=(),
        description="Installed spaCy models (`en_core_web_sm`) that recognize the names of other people, places and "
        "organizations. Nothing is downloaded.",
    )
    min_score: float = Field(
        default=0.4, gt=0, le=1, description="Confidence from which a match is replaced; a lower one replaces more."
    )

    @field_validator("entities")
    @classmethod
    def _are_supported(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ENTITIES:
                meant = nearest(name, ENTITIES)
                raise ValueError(
                    f"{name!r} is not recognized by Presidio"
                    + (f"; did you mean {meant}?" if meant else "; the names are in docs/privacy.md")
                )
        return names

    @field_validator("phone_regions")
    @classmethod
    def _are_regions(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        for region in regions:
            if not re.fullmatch("[A-Z]{2}", region):
                raise ValueError(f"{region!r} is not a country: use two capital letters such as US or DE")
        return regions

    @field_validator("models")
    @classmethod
    def _are_packages(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"{name!r} is not the name of an installed package such as en_core_web_sm")
            if name in REFUSED_MODELS:
                raise ValueError(
                    f"{name} is refused: the package of that name on the package index is not from the authors of "
                    "spaCy; use en_core_web_sm, en_core_web_md or en_core_web_lg"
                )
        return names

    @model_validator(mode="after")
    def _models_are_there(self) -> RedactionSettings:
        without = sorted(set(self.entities) & set(MODEL_ENTITIES))
        if without and not self.models:
            raise ValueError(f"{', '.join(without)}: only a model recognizes it; name an installed one in `models`")
        return self
