"""Scrubbing the numbers of bank accounts and payment cards, recognised by their check digits.

IBAN: ISO 13616, the remainder modulo 97 is 1, and each country has its length. Cards: ISO/IEC 7812,
the Luhn sum and the first digits of issuers; the Luhn sum alone would also remove one in ten of the
identifiers that distinguish errors.
"""

from __future__ import annotations

import re
from typing import Final

_COUNTRIES_BY_LENGTH: Final = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
#: Length of the IBAN of a country (SWIFT, IBAN Registry).
IBAN_LENGTHS: Final = {
    country: length
    for length, countries in _COUNTRIES_BY_LENGTH.items()
    for country in countries.split()
}
_IBAN_START: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z]{2}[0-9]{2}(?= ?[A-Z0-9])|[a-z]{2}[0-9]{2}(?= ?[a-z0-9]))"
)
_CARD: Final = re.compile(
    # In one piece; a hyphen may come before it, because no part of a UUID has this length.
    r"(?<![0-9A-Za-z_.])[0-9]{13,19}(?![0-9A-Za-z_]|\.[0-9])"
    # In groups, as printed on a card.
    r"|(?<![0-9A-Za-z_.-])[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3})?"
    r"(?![0-9A-Za-z_-]|\.[0-9])"
    r"|(?<![0-9A-Za-z_.-])3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}(?![0-9A-Za-z_-]|\.[0-9])"
)
# First digits and lengths of the issuers' numbers.
_ISSUERS: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    # Mastercard
    r"|5[1-5][0-9]{14}|(?:222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11,16}"  # Diners Club
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"  # JCB
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}"  # Discover
    r"|62[0-9]{14,17}"  # UnionPay
    r"|(?:50|5[6-9]|6[0-9])[0-9]{11,17}"  # Maestro
)


def without_ibans(text: str) -> str:
    """Replace the IBANs of a text, whether in one piece or in groups."""
    parts: list[str] = []
    position = 0
    for found in _IBAN_START.finditer(text):
        if found.start() >= position and (end := _end_of_iban(text, found.start())) is not None:
            parts += [text[position : found.start()], "[iban]"]
            position = end
    return "".join([*parts, text[position:]]) if parts else text


def _end_of_iban(text: str, start: int) -> int | None:
    """Return where the IBAN that starts here ends, or None if there is no valid IBAN."""
    length = IBAN_LENGTHS.get(text[start : start + 2].upper(), 0)
    of_its_case = str.islower if text[start].islower() else str.isupper
    digits: list[str] = []
    position = start
    while len(digits) < length and position < len(text):
        character = text[position]
        if character.isascii() and (character.isdigit() or of_its_case(character)):
            digits.append(character)
        elif character != " " or text[position - 1] == " ":
            return None
        position += 1
    if not is_iban("".join(digits).upper()) or text[position : position + 1].isalnum():
        return None
    return position


def is_iban(number: str) -> bool:
    """Tell whether a number without spaces is an IBAN: valid length, remainder 1 modulo 97."""
    if len(number) != IBAN_LENGTHS.get(number[:2], -1):
        return False
    return int("".join(str(int(digit, 36)) for digit in number[4:] + number[:4])) % 97 == 1


def without_card_numbers(text: str) -> str:
    """Replace the payment card numbers of a text."""
    return _CARD.sub(_without_card, text)


def _without_card(found: re.Match[str]) -> str:
    digits = found[0].replace(" ", "").replace("-", "")
    return "[card_number]" if is_card_number(digits) else found[0]


def is_card_number(digits: str) -> bool:
    """Tell whether digits are a card number: an issuer's first digits and length, Luhn sum 0."""
    if _ISSUERS.fullmatch(digits) is None:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
