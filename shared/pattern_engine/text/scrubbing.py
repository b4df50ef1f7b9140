r"""Taking secrets and personal data out of what the engine stores: samples, templates, messages.

The log row itself is the application's and stays as it is. What is found is replaced by its name in
brackets, `[password]`, so that a reader sees what stood there. To add a rule of your own:

    @scrubber("customer_number", hints=("kd-",))
    def of_our_domain(text: str) -> str:
        return re.sub(r"\bKD-[0-9]{6}\b", "[customer_number]", text)

What the rules keep to: they take linear time (every repetition is bounded or gives nothing back,
and none starts anew within the run that it read); what is scrubbed stays as it is when it is
scrubbed again; UUIDs, hashes and other identifiers, which tell errors apart, are left alone. Where
one cannot tell, a value beside a word such as password goes. Rules run until nothing changes, so a
scrubber of yours leaves alone what it scrubbed before; one that raises lets nothing through: the
text is replaced by a note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pattern_engine.text import scrubbing_numbers, scrubbing_values
from pattern_engine.text.compiled import compiled

__all__ = ["RULES", "Scrubber", "scrub", "scrub_json", "scrubber"]

Replace = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Scrubber:
    """A named rule."""

    name: str
    replace: Replace
    hints: tuple[str, ...] = ()
    """One of these, in small letters, is in every text that it changes; none: it may be any."""

    def is_needed(self, folded: str) -> bool:
        """Whether it may change a text, given in small letters."""
        return not self.hints or any(hint in folded for hint in self.hints)


def _named(name: str, expression: str, *hints: str) -> Scrubber:
    """A rule that replaces what an expression matches, but for the group `kept` before it."""
    kept = r"\g<kept>" if "(?P<kept>" in expression else ""
    return Scrubber(name, lambda text: compiled(expression).sub(f"{kept}[{name}]", text), hints)


_START: Final = r"(?<![A-Za-z0-9_-])"
_RUN: Final = "[A-Za-z0-9_-]"

#: In this order: what is longer or surer first.
RULES: Final[tuple[Scrubber, ...]] = (
    # PEM, cut short or whole; its headers have single hyphens.
    _named(
        "private_key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----))*+"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
        "private key",
    ),
    # Header and payload of a JSON Web Token, cut or not.
    _named("token", rf"{_START}eyJ{_RUN}{{5,}}+\.{_RUN}{{5,}}+(?:\.{_RUN}*+)?", "eyj"),
    # Keys that tell by their beginning whose they are. Publishable ones are no secret.
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
        r"|shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32})",
        *("sb_secret_", "sbp_", "sk_", "rk_", "whsec_", "gho_", "ghp_", "ghs_", "ghu_", "ghr_"),
        *("github_pat_", "glpat-", "akia", "asia", "aiza", "ya29.", "xox", "xapp-", "sk-", "sg."),
        *("npm_", "pypi-", "hf_", "dop_v1_", "shpat_", "shpca_", "shppa_", "shpss_"),
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
    # mysqldump --password hunter2; with an equals sign it is a name with a value, see below.
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
    Scrubber("secret", scrubbing_values.without_secrets, scrubbing_values.HINTS),
    _named(
        "email",
        # Not image@2x.png, nor package@1.2.3.
        r"[A-Za-z0-9._%+-]{1,64}@(?![1-4]x\.)(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}",
        "@",
    ),
    Scrubber("iban", scrubbing_numbers.without_ibans),
    Scrubber("card_number", scrubbing_numbers.without_card_numbers),
)
#: What one rule takes out may show another one what to do; most texts are done after the first.
MOST_ROUNDS: Final = 5
_BUILT_IN: Final = frozenset(rule.name for rule in RULES)
_REGISTERED: Final[list[Scrubber]] = []


def scrubber(name: str, hints: Sequence[str] = ()) -> Callable[[Replace], Replace]:
    """Register a function that takes something out of every text that this process stores.

    `hints`: texts in small letters, one of which is in every text that it changes.

    Raises:
        ValueError: the name is one of the engine's own, or another registered scrubber's.
    """
    if name in _BUILT_IN or any(name == known.name for known in _REGISTERED):
        raise ValueError(f"there is a scrubber {name!r} already: choose another name")

    def register(replace: Replace) -> Replace:
        _REGISTERED.append(Scrubber(name, replace, tuple(hints)))
        return replace

    return register


def scrub(text: str, scrubbers: Sequence[Scrubber] = ()) -> str:
    """Return a text without secrets and personal data, by all rules and the ones passed."""
    rules = (*RULES, *_REGISTERED, *scrubbers)
    for _ in range(MOST_ROUNDS):
        scrubbed = _once(text, rules)
        if scrubbed == text:
            break
        text = scrubbed
    return text


def scrub_json(value: Any) -> Any:  # noqa: ANN401  any JSON
    """A JSON value with its texts scrubbed; what stands under a key such as password goes whole."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, list):
        return [scrub_json(element) for element in value]
    if isinstance(value, dict):
        return {key: _beside(key, element) for key, element in value.items()}
    return value


def _beside(key: str, value: Any) -> Any:  # noqa: ANN401  any JSON
    """A value under its key."""
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
            except Exception:  # noqa: BLE001  somebody else's code: what it cannot scrub goes whole
                return f"[{rule.name} failed]"
    return text
