r"""Removing secrets and personal data from what the engine stores: samples, templates, messages.

The log row itself belongs to the application and is not changed. A finding is replaced by the name
of its rule in brackets, as in `[password]`. To add a rule of your own:

    @scrubber("customer_number", hints=("kd-",))
    def of_our_domain(text: str) -> str:
        return re.sub(r"\bKD-[0-9]{6}\b", "[customer_number]", text)

The built-in rules take linear time: every repetition is bounded or possessive, and no match starts
within a run that was read before. They do not change a text that is scrubbed already. They leave
UUIDs, hashes and other identifiers, which distinguish errors. A value beside a word such as
password is removed if it is not certain to be harmless.

Rules run until nothing changes, so a rule of your own must not change its own output. If it raises
an exception, the whole text is replaced by a note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pattern_engine.text import scrubbing_numbers, scrubbing_values
from pattern_engine.text.compiled import compiled

Replace = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Scrubber:
    """A named rule."""

    name: str
    replace: Replace
    hints: tuple[str, ...] = ()
    """Lower-case texts, one of which is in every text that the rule changes; empty for any text."""

    def is_needed(self, folded: str) -> bool:
        """Tell whether the rule may change a text, which is given in lower case."""
        return not self.hints or any(hint in folded for hint in self.hints)


def _named(name: str, expression: str, *hints: str) -> Scrubber:
    """Return a rule that replaces the matches of an expression, except for their group `kept`."""
    kept = r"\g<kept>" if "(?P<kept>" in expression else ""
    return Scrubber(name, lambda text: compiled(expression).sub(f"{kept}[{name}]", text), hints)


_START: Final = r"(?<![A-Za-z0-9_-])"
_RUN: Final = "[A-Za-z0-9_-]"

#: The rules in their order: longer and more certain matches come first.
RULES: Final[tuple[Scrubber, ...]] = (
    # PEM, cut short or whole; its headers have single hyphens.
    _named(
        "private_key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----))*+"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
        "private key",
    ),
    # Header and payload of a JSON Web Token, cut or not; an encrypted one has five parts, of which
    # the second may be empty. `%20eyJ` is one too.
    _named(
        "token",
        rf"(?:{_START}|(?<=%[0-9A-Fa-f]{{2}}))eyJ{_RUN}{{5,}}+"
        rf"\.(?:{_RUN}{{5,}}+(?:\.{_RUN}*+)?|\.{_RUN}{{5,}}+)(?:\.{_RUN}++){{0,2}}",
        "eyj",
    ),
    # The path of a hook is all that one needs to post there.
    _named(
        "webhook",
        r"(?P<kept>\bhooks\.slack\.com/(?:services|workflows|triggers)/"
        r"|\bdiscord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/)[A-Za-z0-9_/-]{8,256}",
        *("hooks.slack.com/", "discord.com/", "discordapp.com/"),
    ),
    # Telegram's token of a bot, in the address and by itself.
    _named(
        "webhook",
        r"(?P<kept>\bbot)[0-9]{6,12}:[A-Za-z0-9_-]{30,64}",
        "bot",
    ),
    _named("webhook", r"(?<![A-Za-z0-9])[0-9]{6,12}:AA[A-Za-z0-9_-]{30,64}", ":aa"),
    # Signed addresses of S3, Google and Azure.
    _named(
        "signature",
        r"(?P<kept>[?&;](?i:X-Amz-Signature|X-Goog-Signature|Signature|sig)=)"
        r"[A-Za-z0-9%+/=_.~-]{16,1024}",
        *("sig=", "signature="),
    ),
    # Keys with a known prefix. Publishable keys are not secret.
    _named(
        "api_key",
        r"(?<![A-Za-z0-9_])(?:"
        r"sb_secret_[A-Za-z0-9_-]{6,256}|sbp_[0-9a-f]{20,64}"  # Supabase
        r"|[sr]k_(?:live|test)_[A-Za-z0-9]{8,256}|whsec_[A-Za-z0-9+/=_-]{8,256}"  # Stripe
        r"|gh[opsur]_[A-Za-z0-9]{20,256}|github_pat_[A-Za-z0-9_]{20,256}|glpat-[A-Za-z0-9_-]{16,256}"
        r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[A-Za-z0-9_-]{30,64}|ya29\.[A-Za-z0-9_-]{20,512}"
        r"|xox[abeoprs]-[A-Za-z0-9-]{10,256}|xapp-[A-Za-z0-9-]{10,256}"  # Slack
        r"|sk-[A-Za-z0-9_-]{20,256}"  # OpenAI, Anthropic
        r"|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}|npm_[A-Za-z0-9]{30,64}"
        r"|pypi-[A-Za-z0-9_-]{16,256}|hf_[A-Za-z0-9]{20,64}|dop_v1_[0-9a-f]{32,64}"
        r"|shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}|GOCSPX-[A-Za-z0-9_-]{20,64}"
        r"|hv[sbr]\.[A-Za-z0-9_-]{20,256}|AGE-SECRET-KEY-1[A-Z0-9]{20,128}"  # Vault, age
        r"|lin_(?:api|oauth)_[A-Za-z0-9]{20,128}|dckr_[op]at_[A-Za-z0-9_-]{20,64})",
        *("sb_secret_", "sbp_", "sk_", "rk_", "whsec_", "gho_", "ghp_", "ghs_", "ghu_", "ghr_"),
        *("github_pat_", "glpat-", "akia", "asia", "aiza", "ya29.", "xox", "xapp-", "sk-", "sg."),
        *("npm_", "pypi-", "hf_", "dop_v1_", "shpat_", "shpca_", "shppa_", "shpss_"),
        *("gocspx-", "hvs.", "hvb.", "hvr.", "age-secret-key-", "lin_api_", "lin_oauth_"),
        *("dckr_pat_", "dckr_oat_"),
    ),
    _named(
        "cookie", r"(?P<kept>\b(?i:set-cookie|cookie)[\"']?:[ \t]{0,4})[^\r\n]{1,4096}", "cookie"
    ),
    _named(
        "authorization",
        r"(?P<kept>\b(?i:authorization)[\"']?[ \t]{0,4}[:=][ \t]{0,4}+)"
        r"(?!\[authorization\])[\"']?[^\r\n\"',;{}]{1,1024}[\"']?",
        "authorization",
    ),
    # mysqldump --password hunter2; the form with an equals sign is handled below.
    _named(
        "secret",
        r"(?P<kept>--[A-Za-z0-9-]{0,20}(?i:password|passwd|token|secret|api-key) {1,4})"
        r"[^\s-]\S{0,511}",
        "--",
    ),
    Scrubber(
        "credential",
        scrubbing_values.without_credentials,
        ("bearer ", "basic ", "token ", "digest ", "apikey "),
    ),
    # postgres://user:password@host; the last @ before the path ends the password.
    _named(
        "password",
        r"(?P<kept>\b[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s/@:'\"<>]{0,256}:)[^\s/'\"<>]{1,256}(?=@)",
        "://",
    ),
    Scrubber("password", scrubbing_values.without_curl_passwords, ("curl",)),
    Scrubber("values", scrubbing_values.without_inserted_secrets, ("values",)),
    Scrubber("secret", scrubbing_values.without_secrets, scrubbing_values.HINTS),
    _named(
        "email",
        # Not image@2x.png, nor package@1.2.3.
        r"[A-Za-z0-9._%+-]{1,64}@(?![1-4]x\.)(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}",
        "@",
    ),
    # With letters of other alphabets, and in an address.
    _named(
        "email",
        r"[A-Za-z0-9\u00c0-\u024f._%+-]{1,64}@(?![1-4]x\.)(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,63}",
        "@",
    ),
    _named("email", r"[A-Za-z0-9._+-]{1,64}%40(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}", "%40"),
    Scrubber("iban", scrubbing_numbers.without_ibans),
    Scrubber("card_number", scrubbing_numbers.without_card_numbers),
    # Of the United States: no part is zero, and none begins with 9, 000 or 666.
    _named(
        "ssn",
        r"[0-8][0-9]{2}-(?<![\w.+-][0-9]{3}-)(?<!000-|666-)"
        r"(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![\w-]|\.[0-9])",
        "-",
    ),
    # +49 30 901820, +1 (555) 010-9999, +14155552671; not the +0200 of a time zone.
    _named(
        "phone",
        r"\+(?<![\w.+-]\+)(?=[1-9](?:[ .()-]{0,3}[0-9]){9,14}(?![0-9]))"
        r"[0-9](?:[ .-]?\(?[0-9]{1,15}\)?){1,8}(?![\w-]|\.[0-9])",
        "+",
    ),
    # (415) 555-2671 and 415-555-2671
    _named(
        "phone",
        r"(?:\([2-9][0-9]{2}\) ?(?<![\w.+-]\([0-9]{3}\) )(?<![\w.+-]\([0-9]{3}\))"
        r"|[2-9][0-9]{2}-(?<![\w.+-][0-9]{3}-))[2-9][0-9]{2}-[0-9]{4}(?![\w-]|\.[0-9])",
        "-",
    ),
    _named(
        "phone",
        r"(?P<kept>(?<![A-Za-z])(?i:(?:tele)?phone|mobile|msisdn|fax)(?i:[_ -]?(?:number|no))?"
        r"\\?[\"']?\)?[ \t]{0,4}[:=][ \t]{0,4}\(?\\?[\"']?)"
        r"[+(]?[0-9](?:[ ()/.-]{0,2}[0-9]){6,14}(?![\w-]|\.[0-9])",
        *("phone", "mobile", "msisdn", "fax"),
    ),
)
#: How often the rules run at most: the output of one rule may be the input of another.
MAX_ROUNDS: Final = 5
_BUILT_IN: Final = frozenset(rule.name for rule in RULES)
_REGISTERED: Final[list[Scrubber]] = []


def scrubber(name: str, hints: Sequence[str] = ()) -> Callable[[Replace], Replace]:
    """Register a function that scrubs every text which this process stores.

    `hints` are lower-case texts, one of which is in every text that the function changes.

    Raises:
        ValueError: if a built-in rule or a registered scrubber has this name.
    """
    if name in _BUILT_IN or any(name == known.name for known in _REGISTERED):
        raise ValueError(f"There is already a scrubber named {name!r}; choose another name.")

    def register(replace: Replace) -> Replace:
        _REGISTERED.append(Scrubber(name, replace, tuple(hints)))
        return replace

    return register


def scrub(text: str) -> str:
    """Return a text without secrets and personal data."""
    rules = (*RULES, *_REGISTERED)
    for _ in range(MAX_ROUNDS):
        scrubbed = _once(text, rules)
        if scrubbed == text:
            break
        text = scrubbed
    return text


def scrub_json(value: Any) -> Any:  # noqa: ANN401  any JSON
    """Return a JSON value with its texts scrubbed, and values of keys such as password removed."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [scrub_json(element) for element in value]
    if isinstance(value, dict):
        return {key: _scrub_member(key, element) for key, element in value.items()}
    return value


def _scrub_member(key: str, value: Any) -> Any:  # noqa: ANN401  any JSON
    """Return the scrubbed value of a key."""
    if not isinstance(value, str) or not value:
        return scrub_json(value)
    scrubbed, pair = scrub(value), f"{key}={value}"
    return "[scrubbed]" if scrubbed == value and scrub(pair) != pair else scrubbed


def _once(text: str, rules: Sequence[Scrubber]) -> str:
    folded = text.lower()
    for rule in rules:
        if rule.is_needed(folded):
            try:
                text = rule.replace(text)
            except Exception:  # noqa: BLE001  a user's own rule may raise anything
                return f"[{rule.name} failed]"
    return text
