"""Secrets and personal data are scrubbed; what distinguishes errors stays."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.processor import fastest

from pattern_engine.text import scrubbing
from pattern_engine.text.scrubbing import RULES, Scrubber, scrub, scrubber
from pattern_engine.text.scrubbing_numbers import is_card_number, is_iban

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEpAIBAAKCAQEA7+/ab\n-----END RSA PRIVATE KEY-----"

# What is logged → what is stored.
SCRUBBED = {
    # Names with values, as configurations, query strings, JSON and SQL have them.
    "password=hunter2 for user bob": "password=[secret] for user bob",
    'db_password: "p\\"w d" next': 'db_password: "[secret]" next',
    "PGPASSWORD=abc psql -h db": "PGPASSWORD=[secret] psql -h db",
    "GET /cb?code=1&access_token=ya29abcdef&x=2 failed": "GET /cb?code=1&access_token=[secret]&x=2 failed",
    '{"user":"bob","password":"x y","n":3}': '{"user":"bob","password":"[secret]","n":3}',
    '{\\"token\\": \\"abc123def\\"}': '{\\"token\\": \\"[secret]\\"}',
    "{'api_key': 'k-99', 'a': 1}": "{'api_key': '[secret]', 'a': 1}",
    "clientSecret => 's3cr3t',": "clientSecret => '[secret]',",
    "ALTER USER bob PASSWORD 'abc'": "ALTER USER bob PASSWORD '[secret]'",
    "AccountKey=Zm9vYmFy+/==;EndpointSuffix=x": "AccountKey=[secret];EndpointSuffix=x",
    "the password: hunter": "the password: [secret]",
    "password=1234": "password=[secret]",
    "mysqldump --password hunter2 shop": "mysqldump --password [secret] shop",
    "otp: 123456": "otp: [secret]",
    # Headers.
    "Authorization: Bearer abc.def-ghi123": "Authorization: [authorization]",
    "authorization=Basic dXNlcjpwYXNz, host=x": "authorization=[authorization], host=x",
    "sent Bearer a1b2c3d4e5f6 to it": "sent Bearer [credential] to it",
    "Cookie: session=abc; theme=dark\nnext line": "Cookie: [cookie]\nnext line",
    "x-api-key: 9f8e7d6c5b": "x-api-key: [secret]",
    # Addresses with passwords.
    "connect postgres://bob:p@ss@db:5432/shop failed": "connect postgres://bob:[password]@db:5432/shop failed",
    "redis://:s3cret@cache:6379 is down": "redis://:[password]@cache:6379 is down",
    # Keys with a known form.
    f"bad jwt {JWT}!": "bad jwt [token]!",
    "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0 cut": "jwt [token] cut",
    "key sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz": "key [api_key]",
    "No such customer; sk_live_4eC39HqLyjWDarjtT1zdp7dc": "No such customer; [api_key]",
    "whsec_abcdefgh12345678 is wrong": "[api_key] is wrong",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345 expired": "[api_key] expired",
    "using AKIAIOSFODNN7EXAMPLE now": "using [api_key] now",
    "xoxb-1234567890-abcdef rejected": "[api_key] rejected",
    "Incorrect API key: sk-proj-abcdefghijklmnopqrstuvwx.": "Incorrect API key: [api_key].",
    f"cannot read {KEY} at all": "cannot read [private_key] at all",
    "cut -----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN": "cut [private_key]",
    # People.
    "Key (email)=(john.o'doe+x@mail.example.co.uk) exists": "Key (email)=(john.o'[email]) exists",
    "<bob@example.com> bounced": "<[email]> bounced",
    "iban DE89 3704 0044 0532 0130 00 IS BAD": "iban [iban] IS BAD",
    "GB82WEST12345698765432, and more": "[iban], and more",
    "card 4111 1111 1111 1111 declined": "card [card_number] declined",
    "card 4111-1111-1111-1111 declined": "card [card_number] declined",
    "pan=378282246310005;": "pan=[card_number];",
    "3782 822463 10005 expired.": "[card_number] expired.",
    "to de89370400440532013000, and": "to [iban], and",
    "to gb82 west 1234 5698 7654 32.": "to [iban].",
    "mail jörg.müller@bücher.example bounced": "mail [email] bounced",
    "GET /u?mail=bob%40example.com&x=1": "GET /u?mail=[email]&x=1",
    "ssn 078-05-1120 is taken": "ssn [ssn] is taken",
    "sms to +49 30 901820000 failed": "sms to [phone] failed",
    "sms to +14155552671: blocked": "sms to [phone]: blocked",
    "call +1 (415) 555-2671.": "call [phone].",
    "call (415) 555-2671 or 415-555-2671": "call [phone] or [phone]",
    "Key (phone)=(030901820) already exists": "Key (phone)=([phone]) already exists",
    '{"mobileNumber": "0171 2345678"}': '{"mobileNumber": "[phone]"}',
    # Hooks and signed addresses.
    "POST https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXX 404": "POST https://hooks.slack.com/services/[webhook] 404",
    "https://discord.com/api/v10/webhooks/123456789012345678/aBcD-eF_gh is gone": "https://discord.com/api/v10/webhooks/[webhook] is gone",
    "https://api.telegram.org/bot123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11/getMe": "https://api.telegram.org/bot[webhook]/getMe",
    "bot token 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw is wrong": "bot token [webhook] is wrong",
    f"GET /b/k?X-Amz-Expires=60&X-Amz-Signature={'9f' * 32} 403": "GET /b/k?X-Amz-Expires=60&X-Amz-Signature=[signature] 403",
    "https://a.blob.core.windows.net/c?sv=2022&sig=Zm9vYmFyYmF6cXV4Zm9v%3D&se=1": "https://a.blob.core.windows.net/c?sv=2022&sig=[signature]&se=1",
    # More keys with a known form.
    "client GOCSPX-abcdefghijklmnopqrstuvwx12 is bad": "client [api_key] is bad",
    "vault hvs.CAESIJlWh3abcdefghijklmnopqrstu denied": "vault [api_key] denied",
    "key AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ": "key [api_key]",
    "lin_api_abcdefghijABCDEFGHIJ0123456789abcdefgh is revoked": "[api_key] is revoked",
    "login dckr_pat_abcdefghijklmnopqrstuvwxyz0 failed": "login [api_key] failed",
    f"GET /x?jwt%3D%20{JWT} 401": "GET /x?jwt%3D%20[token] 401",
    "jwe eyJhbGciOiJkaXIifQ..48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX.XFBoMYUZodetZdv!": "jwe [token]!",
    # Commands, lines and rows.
    "curl -u bob:hunter2 https://example.com failed": "curl -u bob:[password] https://example.com failed",
    "curl --user 'bob:hunter2' https://example.com": "curl --user 'bob:[password]' https://example.com",
    "login with\npassword:\n  hunter2\nfailed": "login with\npassword:\n  [secret]\nfailed",
    "db_password: |\n  hunter-2": "db_password: |\n  [secret]",
    "insert into users (email, password) values ('x', 'hunter2') returning id": "insert into users (email, password) values ([values]) returning id",
    "INSERT INTO u (password, n) VALUES (crypt('p(w', gen_salt('bf')), 1), ('b''c', 2)": "INSERT INTO u (password, n) VALUES ([values])",
}


@pytest.mark.parametrize(("message", "stored"), SCRUBBED.items())
def test_secrets_and_personal_data_are_scrubbed(message: str, stored: str) -> None:
    """Each secret is replaced by its name in brackets; scrubbing again changes nothing."""
    assert scrub(message) == stored
    assert scrub(stored) == stored


UNTOUCHED = [
    # Names that only mention a secret.
    'password authentication failed for user "bob"',
    "password: must be longer than eight characters",
    "invalid token: expired",
    "Unexpected token < in JSON at position 0",
    "unexpected token: }",
    "max_tokens=4096 exceeded",
    "token_type=bearer, token_count: 17",
    "secret_name=stripe not found",
    "password is required",
    "password=null",
    "the secretary: Bob",
    "tokenizer: failed",
    "basic authentication required",
    "Bearer token is missing",
    "no authorization header",
    "session_id: missing",
    # What distinguishes errors.
    "uuid 41111111-1111-4111-8111-111111111111",
    f"id {uuid.UUID(int=0x4111111111111111_8111111111111111)}",
    "sha e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "commit 4111111111111111a94a8fe5ccb19ba61c4c0873",
    "order 4111111111111112",
    "at 1700000000000 and 1700000000000000000",
    "2023-10-05 12:30:45.123456 UTC",
    "0.4111111111111111 seconds",
    "txn_4111111111111111",
    "pid 12345, port 5432, 10.0.0.1:8080",
    "SQLSTATE 42P01 PGRST116 ERR_404",
    "https://example.com:8443/path@2x.png",
    "npm i @scope/package@1.2.3",
    "DE89370400440532013001 has wrong check digits",
    "sb_publishable_abcdefgh12345678 is public",
    "ch_3MmlLrLkdIwHu7ix0snN0B15 has been refunded",
    "duplicate key value violates unique constraint",
    "password=<*> and token <*>",
    # What looks like a telephone, an account or a row with a secret, and is none.
    "at 2026-11-29T17:03:43.123456+01:00, 2026-11-29 17:03:43+0000",
    "offset +1234567, moved by +12 -7, 1+4155552671",
    "order 123-456-7890-1, range 100-200-3000, build 2024-11-2931",
    "123-45-6789-0 and 900-12-3456 and 1.123-45-6789",
    "trace 078-05-1120abc, id-078-05-1120",
    "telephone: missing, phone=+, microphone: 030901820",
    "de89370400440532013001 has wrong check digits",
    "at 10 00 a.m. in de12 ab",
    "insert into users (email, password) values ($1, $2)",
    "insert into users (email, name) values ('x', 'y')",
    "curl: (6) Could not resolve host; docker run -u 1000:1000",
    "invalid password:\n  at login (auth.js:10)",
    "secret:\n  name:\n    x",
    "ratio 12:34, port 5432:5432, 00:1A:2B:3C:4D:5E",
    "https://discord.com/api/v10/channels/123456789012345678",
    "GET /f?sig=short and design=abcdefghijklmnopqrst",
]


@pytest.mark.parametrize("message", UNTOUCHED)
def test_what_distinguishes_errors_stays(message: str) -> None:
    """UUIDs, hashes, ids, codes, times, counts and sentences about secrets are not scrubbed."""
    assert scrub(message) == message


@given(st.uuids(), st.binary(min_size=16, max_size=32), st.integers(0, 2**63 - 1))
def test_identifiers_are_never_scrubbed(one: uuid.UUID, digest: bytes, number: int) -> None:
    """A UUID, a hash in hex and a number with an id's prefix stay, whatever digits they have."""
    message = f"row {one} of {digest.hex()} in job_{number} at {one.hex}"
    assert scrub(message) == message


PIECES = st.sampled_from([*SCRUBBED, *UNTOUCHED, " ", "\n", '"', "'", "=", ":", "@", "[", "\\"])


@given(st.lists(PIECES | st.text(max_size=20), max_size=6).map("".join))
def test_scrubbing_twice_is_scrubbing_once(message: str) -> None:
    """Scrubbing a scrubbed text changes nothing, in any combination of parts."""
    once = scrub(message)
    assert scrub(once) == once


@given(st.text(alphabet="0123456789", min_size=1, max_size=19))
def test_hints_leave_nothing_out(digits: str) -> None:
    """A rule changes no text that contains none of its hints."""
    message = f"password={digits} bearer {digits}abcdefgh a@{digits}.de"
    for text in (message, message.upper(), digits):
        everything = text
        for rule in RULES:
            everything = rule.replace(everything)
        assert scrub(text) == everything


@pytest.mark.parametrize("message", SCRUBBED)
def test_each_rule_has_hints_that_fit(message: str) -> None:
    """The result is the same with all rules and with those whose hints occur."""
    everything = message
    for rule in RULES:
        everything = rule.replace(everything)
    assert scrub(message) == everything


# Check digits ----------------------------------------------------------------------------------------

CARDS = {
    "Visa": "4242424242424242",
    "Visa, 13 digits": "4222222222222",
    "Mastercard": "5555555555554444",
    "Mastercard, 2 series": "2223003122003222",
    "American Express": "371449635398431",
    "Discover": "6011111111111117",
    "Diners Club": "3056930009020004",
    "Diners Club, 14 digits": "36227206271667",
    "JCB": "3566002020360505",
    "UnionPay": "6200000000000005",
    "Maestro": "6759649826438453",
}


@pytest.mark.parametrize("number", CARDS.values(), ids=CARDS.keys())
def test_card_numbers_are_recognised_by_issuer_and_luhn(number: str) -> None:
    """A number of each issuer is a card number, and with another last digit it is not."""
    assert is_card_number(number)
    assert scrub(f"paid with {number}") == "paid with [card_number]"
    others = {number[:-1] + digit for digit in "0123456789"} - {number}
    assert not any(map(is_card_number, others))


def test_luhn_alone_makes_no_card() -> None:
    """A number with the right Luhn sum but without an issuer's first digits is no card number."""
    assert not is_card_number("1234567812345670")
    assert not is_card_number("79927398713")


IBANS = [
    "DE89370400440532013000",
    "GB82WEST12345698765432",
    "FR1420041010050500013M02606",
    "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S",
    "CH9300762011623852957",
]


@pytest.mark.parametrize("number", IBANS)
def test_ibans_are_recognised_by_length_and_check_digits(number: str) -> None:
    """IBANs are found in one piece and in groups, but not with a wrong or an additional digit."""
    assert is_iban(number)
    grouped = " ".join(re.findall(".{1,4}", number))
    assert scrub(f"to {number}.") == "to [iban]."
    assert scrub(f"to {grouped}.") == "to [iban]."
    assert scrub(f"to {number.lower()} or {grouped.lower()}.") == "to [iban] or [iban]."
    changed = f"{number[:-1]}{(int(number[-1], 36) + 1) % 10}"
    for wrong in (changed, number + "0", number[:-1], number.title()):
        assert not is_iban(wrong)
        assert scrub(f"to {wrong}.") == f"to {wrong}."


# Rules of one's own --------------------------------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> list[Scrubber]:
    """An empty registry for one test."""
    registered: list[Scrubber] = []
    monkeypatch.setattr(scrubbing, "_REGISTERED", registered)
    return registered


def test_a_rule_can_be_added(registry: list[Scrubber]) -> None:
    """A registered rule applies after the built-in ones, to texts with one of its hints."""

    @scrubber("customer_number", hints=("kd-",))
    def of_our_domain(text: str) -> str:
        return re.sub(r"\bKD-[0-9]{6}\b", "[customer_number]", text)

    assert [rule.name for rule in registry] == ["customer_number"]
    assert scrub("KD-123456 <bob@example.com>") == "[customer_number] <[email]>"
    assert of_our_domain("KD-123456") == "[customer_number]"


@pytest.mark.parametrize("name", ["email", "own"])
def test_a_name_is_used_once(registry: list[Scrubber], name: str) -> None:
    """The name of a rule must not be used already."""
    registry.append(Scrubber("own", str))
    with pytest.raises(ValueError, match="choose another name"):
        scrubber(name)


def test_a_rule_that_raises_lets_nothing_through(registry: list[Scrubber]) -> None:
    """If a rule raises an exception, the whole text is replaced."""

    @scrubber("broken")
    def broken(text: str) -> str:
        raise ZeroDivisionError(text)

    assert registry[0].replace is broken
    assert scrub("KD-123456") == "[broken failed]"


def test_every_rule_is_described() -> None:
    """The table in the documentation lists exactly the built-in rules."""
    page = Path(__file__).parents[3] / "docs" / "explanation" / "life-cycle.md"
    rows = re.findall(
        r"^\| (`.*?) \|", page.read_text(encoding="utf-8").split("## Privacy")[1], re.MULTILINE
    )
    described = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(described) == sorted({rule.name for rule in RULES})


# Time ----------------------------------------------------------------------------------------------

ADVERSARIAL = {
    "digits": "4",
    "digits and spaces": "4 ",
    "digits and hyphens": "41-",
    "card groups": "4111 ",
    "iban starts": "DE89",
    "iban starts, spaced": "DE89 ",
    "letters": "a",
    "capitals": "A",
    "dots": "a.",
    "at signs": "a@",
    "at signs and dots": "@a.",
    "local parts": "a.b+c-",
    "jwt heads": "eyJaaaaa-",
    "jwt heads, dotted": "eyJaaaaa.",
    "jwt without payload": "eyJaaaaaaaaaa ",
    "keys begun": "-----BEGIN PRIVATE KEY-----",
    "hyphens": "-",
    "long options": "--a",
    "password": "password",
    "password with equals": "password=",
    "password with quotes": 'password="',
    "password with backslashes": 'password="\\',
    "password with spaces": "password   ",
    "password with hyphens": "password-a",
    "tokens": "token_",
    "bearers": "bearer ",
    "bearer runs": "bearer aaaaaaaa",
    "schemes": "a://",
    "schemes with colons": "a://b:",
    "schemes with passwords": "a://b:c@",
    "cookies": "cookie:",
    "authorizations": "authorization:",
    "api keys": "sk-",
    "sendgrid": "SG.aaaaaaaaaaaaaaaa",
    "slack": "xoxb-",
    "pluses": "+1",
    "pluses with digits": "+1 234 ",
    "hyphened numbers": "123-45-",
    "telephones": "phone: 1",
    "curls": "curl -u ",
    "curls with users": "curl -u a:",
    "columns": "(password",
    "rows": "(password) values (",
    "rows with quotes": "(password) values ('",
    "names with lines": "password:\n",
    "hooks": "hooks.slack.com/services/",
    "bots": "bot123456:",
    "signatures": "?sig=",
    "encoded at signs": "a%40",
    "encoded jwts": "%20eyJaaaaa",
    "brackets": "[",
    "unicode": "ſ",
    "log lines": 'ERROR user 1 at 10.0.0.1: {"password": "x", "mail": "bob@example.com"} gone\n',
    "everything": 'password="a@b.c eyJaaaaa.a DE89 4111 --token bearer a1 a://b:c@ ',
}


@pytest.mark.parametrize("unit", ADVERSARIAL.values(), ids=ADVERSARIAL.keys())
def test_scrubbing_takes_linear_time(unit: str) -> None:
    """Scrubbing eight times the text takes at most twenty times as long, not sixty-four times."""
    small = unit * (32_000 // len(unit))
    usual = fastest(lambda: scrub(small), 7)
    assert fastest(lambda: scrub(small * 8), 7) < 20 * max(usual, 0.0005)
