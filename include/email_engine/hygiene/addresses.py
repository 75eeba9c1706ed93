"""Whether a text can be an address of mail at all: by the library email-validator, without DNS."""

from dataclasses import dataclass, field
from enum import StrEnum

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

LONGEST = 320
"""Characters of a text that is looked at: 64 and 255 with the sign between them (RFC 5321 section 4.5.3.1)."""


class AddressProblem(StrEnum):
    """`bad_syntax`: no address; `special_domain`: a name that is reserved and never in public DNS (RFC 6761)."""

    BAD_SYNTAX = "bad_syntax"
    SPECIAL_DOMAIN = "special_domain"


@dataclass(frozen=True, slots=True)
class JudgedAddress:
    """`domain`: as DNS has it (lower case, international names as xn--...); '' where there is a problem."""

    problem: AddressProblem | None
    domain: str = field(default="", repr=False)


_BAD = JudgedAddress(AddressProblem.BAD_SYNTAX)
_SPECIAL = JudgedAddress(AddressProblem.SPECIAL_DOMAIN)


def judge_address(text: str | None) -> JudgedAddress:
    """What of a subscriber's address is wrong by itself. None and '' are no address."""
    if not text or len(text) > LONGEST:
        return _BAD
    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return _SPECIAL if _is_special(text.rpartition("@")[2].lower()) else _BAD
    return JudgedAddress(None, found.ascii_domain.lower())


def _is_special(domain: str) -> bool:
    return any(domain == name or domain.endswith(f".{name}") for name in SPECIAL_USE_DOMAIN_NAMES)
