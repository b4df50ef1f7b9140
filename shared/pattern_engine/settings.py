"""The engine's settings: one frozen value, read once from the environment.

A function's module calls `current()` when it is loaded, so a missing variable stops the start of
the process. The modules of this package never call it while they are imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pattern_engine.exceptions import ConfigurationError
from pattern_engine.limits import DIRECTORY_NAME
from pattern_engine.thresholds import Bounds, QuietHours, Thresholds, between, quiet_hours

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

# RFC 7518, section 3.2: a key for HS256 has at least as many bits as its output.
MIN_SECRET_BYTES = 32
STATE_DIRECTORY = "~/.local/state/pattern-engine"
POSTGREST_CONNECTIONS = 10
"""PostgREST's pool, unless a project changes it; the engine and the application share it."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Facilities:
    """What the settings of this deployment allow to all fixes, whatever their parameters are.

    `Settings` describes the fields.
    """

    bash: bool = False
    api_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    api_ca_file: str | None = None
    bash_directories: Mapping[str, str] = field(default_factory=dict)
    bash_copy_bytes: int = 64 * 1024 * 1024
    bash_copy_files: int = 10_000
    bash_state_directory: str = STATE_DIRECTORY


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings. Secrets are left out of the repr."""

    supabase_url: str
    """Base URL of the project, without a trailing slash."""
    publishable_key: str
    """Key for anonymous calls to PostgREST, and for calls with a person's token."""
    secret_key: str = field(repr=False)
    """Key for the engine's own calls to PostgREST."""
    webhook_secret: str = field(repr=False)
    """Secret that the database webhook and the scheduled jobs send."""
    jwt_secret: str | None = field(default=None, repr=False)
    """Secret that signs HS256 access tokens; None if the project uses only asymmetric keys."""
    jwks_url: str | None = None
    """URL of the public keys of asymmetric access tokens; None if the project has none."""
    jwt_issuer: str | None = None
    """Expected `iss`; None accepts any."""
    jwt_audience: str = "authenticated"
    """Expected `aud`."""
    allowed_origins: frozenset[str] = frozenset()
    """Origins of browsers that may call; `*` for all."""
    console_url: str = ""
    """Address of the console, to which notifications link too; when unset, the function `console`
    of the project."""
    apply_max_age_seconds: int = field(default=900, metadata=between(1, 86_400))
    """Age in seconds above which an error is learned but not healed."""
    apply_wait_seconds: float = field(default=5.0, metadata=between(0, 50))
    """Seconds that `apply` waits for a run that another worker has begun for the same log row."""
    database_timeout_seconds: float = field(default=10.0, metadata=between(0.01, 86_400))
    """Seconds to wait for one answer of the database."""
    database_calls: int = field(default=POSTGREST_CONNECTIONS * 2 // 5, metadata=between(1, 1_000))
    """Maximum concurrent calls of the database by one process; all processes together should stay
    well below PostgREST's pool of connections, which the application uses as well."""
    log_level: str = "INFO"
    """Lowest severity that is logged."""
    bash_fixes: bool = False
    """`on` lets approved fixes of type bash run, in a box; `off` refuses them."""
    bash_directories: Mapping[str, str] = field(default_factory=dict)
    """Directories that approvals of type bash may name, a comma list of `name=path`."""
    bash_copy_bytes: int = field(default=67_108_864, metadata=between(1, 1_073_741_824))
    """Maximum bytes in the files of one such directory, which is copied into memory for a run."""
    bash_copy_files: int = field(default=10_000, metadata=between(1, 1_000_000))
    """Maximum number of files and directories in one such directory."""
    bash_state_directory: str = STATE_DIRECTORY
    """Directory for the files that runs replaced; engines with the same granted directories must
    share it."""
    api_call_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Private or loopback networks that fixes may reach by https, a comma list."""
    api_call_ca_file: str | None = None
    """A PEM file of certificates that fixes trust in addition to those of the system."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    """Thresholds of the Four Laws and of verification."""

    def facilities(self) -> Facilities:
        """What these settings allow to fixes."""
        return Facilities(
            bash=self.bash_fixes,
            bash_directories=self.bash_directories,
            bash_copy_bytes=self.bash_copy_bytes,
            bash_copy_files=self.bash_copy_files,
            bash_state_directory=self.bash_state_directory,
            api_networks=self.api_call_networks,
            api_ca_file=self.api_call_ca_file,
        )

    def secrets(self) -> tuple[str, ...]:
        """Values that must never be logged."""
        return tuple(
            secret for secret in (self.secret_key, self.webhook_secret, self.jwt_secret) if secret
        )


@cache
def current() -> Settings:
    """The settings of this process, read at the first call."""
    return from_environment(os.environ)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: if settings are missing or wrong; the message names all of them.
    """
    problems: list[str] = []
    get = _reader(environment)
    missing = _missing_names(get)
    if missing:
        problems.append(f"set {', '.join(missing)}")
    url = (get("SUPABASE_URL") or "").rstrip("/")
    jwks_url = get("SUPABASE_JWKS_URL")
    console_url = (get(variable("console_url")) or f"{url}/functions/v1/console").rstrip("/")
    problems += [
        f"{name} must start with http:// or https://, it is {value!r}"
        for name, value in (
            ("SUPABASE_URL", url),
            ("SUPABASE_JWKS_URL", jwks_url),
            (variable("console_url"), get(variable("console_url"))),
        )
        if value and not value.startswith(("http://", "https://"))
    ]
    jwt_secret = get("SUPABASE_JWT_SECRET")
    if jwt_secret and len(jwt_secret.encode()) < MIN_SECRET_BYTES:
        problems.append(f"SUPABASE_JWT_SECRET must have at least {MIN_SECRET_BYTES} bytes")
    level = (get("PATTERN_ENGINE_LOG_LEVEL") or "INFO").upper()
    if level not in LOG_LEVELS:
        problems.append(
            f"PATTERN_ENGINE_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, it is {level!r}"
        )
    settings = Settings(
        supabase_url=url,
        publishable_key=get("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY") or "",
        secret_key=get("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY") or "",
        webhook_secret=get("PATTERN_ENGINE_WEBHOOK_SECRET") or "",
        jwt_secret=jwt_secret,
        jwks_url=jwks_url,
        jwt_issuer=get("SUPABASE_JWT_ISSUER"),
        jwt_audience=get("SUPABASE_JWT_AUDIENCE") or "authenticated",
        allowed_origins=_origins(get("PATTERN_ENGINE_ALLOWED_ORIGINS") or ""),
        console_url=console_url,
        log_level=level,
        bash_directories=_directories(get(variable("bash_directories")) or "", problems),
        bash_state_directory=get(variable("bash_state_directory")) or STATE_DIRECTORY,
        api_call_networks=_networks(get("PATTERN_ENGINE_API_CALL_NETWORKS") or "", problems),
        api_call_ca_file=get("PATTERN_ENGINE_API_CALL_CA_FILE"),
        thresholds=_thresholds(get, problems),
        **_numbers_and_switches(Settings, get, problems),
    )
    if problems:
        raise ConfigurationError("The settings are not valid: " + "; ".join(problems) + ".")
    return settings


Getter = Callable[..., str | None]


def _reader(environment: Mapping[str, str]) -> Getter:
    """Return a function that reads the first of some variables that is not blank."""

    def get(*names: str) -> str | None:
        values = (environment.get(name, "").strip() for name in names)
        return next((value for value in values if value), None)

    return get


def _missing_names(get: Getter) -> list[str]:
    """The required variables without a value, each with the older name that also works."""
    required = {
        "SUPABASE_URL": ("SUPABASE_URL",),
        "SUPABASE_PUBLISHABLE_KEY (or SUPABASE_ANON_KEY)": (
            "SUPABASE_PUBLISHABLE_KEY",
            "SUPABASE_ANON_KEY",
        ),
        "SUPABASE_SECRET_KEY (or SUPABASE_SERVICE_ROLE_KEY)": (
            "SUPABASE_SECRET_KEY",
            "SUPABASE_SERVICE_ROLE_KEY",
        ),
        "SUPABASE_JWT_SECRET or SUPABASE_JWKS_URL": ("SUPABASE_JWT_SECRET", "SUPABASE_JWKS_URL"),
        "PATTERN_ENGINE_WEBHOOK_SECRET": ("PATTERN_ENGINE_WEBHOOK_SECRET",),
    }
    return [shown for shown, names in required.items() if get(*names) is None]


def variable(name: str) -> str:
    """The environment variable of a field."""
    return f"PATTERN_ENGINE_{name.upper()}"


def meanings(kind: type) -> dict[str, str]:
    """Return what the string below each field of `Settings` or `Thresholds` says."""
    import ast  # noqa: PLC0415  only the pages that explain settings need these
    import inspect  # noqa: PLC0415

    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101  the source of a class is one
    found = {}
    for attribute, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(attribute, ast.AnnAssign) and isinstance(text, ast.Expr):
            found[ast.unparse(attribute.target)] = inspect.cleandoc(ast.literal_eval(text.value))
    return found


def _thresholds(get: Getter, problems: list[str]) -> Thresholds:
    """The thresholds; wrong and contradictory values are added to `problems`."""
    hours: tuple[QuietHours, ...] = ()
    try:
        hours = quiet_hours(get(variable("quiet_hours")) or "")
    except ValueError as problem:
        problems.append(f"{variable('quiet_hours')}: {problem}")
    found = Thresholds(quiet_hours=hours, **_numbers_and_switches(Thresholds, get, problems))
    problems += _contradictions(found)
    return found


def _contradictions(thresholds: Thresholds) -> list[str]:
    """A sentence for each pair of thresholds that contradict each other."""
    problems = []
    if thresholds.demote_after > thresholds.disable_after:
        problems.append(f"{variable('demote_after')} exceeds {variable('disable_after')}")
    if thresholds.min_window_seconds > thresholds.max_window_seconds:
        problems.append(
            f"{variable('min_window_seconds')} exceeds {variable('max_window_seconds')}"
        )
    if thresholds.settle_seconds >= thresholds.min_window_seconds:
        problems.append(
            f"{variable('settle_seconds')} must be below {variable('min_window_seconds')}, "
            "or no recurrence would count"
        )
    return problems


def _numbers_and_switches(kind: type, get: Getter, problems: list[str]) -> dict[str, Any]:
    """The values of all fields of a dataclass that are switches or numbers with bounds."""
    found: dict[str, Any] = {}
    for each in fields(kind):
        default: Any = each.default
        if isinstance(default, bool):
            found[each.name] = _switch(each.name, default, get, problems)
        elif "bounds" in each.metadata:
            bounds: Bounds = each.metadata["bounds"]
            found[each.name] = _number(each.name, default, bounds, get, problems)
    return found


def _switch(name: str, default: bool, get: Getter, problems: list[str]) -> bool:
    """The value of a switch, which is on or off."""
    given = get(variable(name))
    if given is None:
        return default
    if given.lower() not in ("on", "off"):
        problems.append(f"{variable(name)} must be on or off, it is {given!r}")
    return given.lower() == "on"


Number = TypeVar("Number", int, float)


def _number(name: str, default: Number, bounds: Bounds, get: Getter, problems: list[str]) -> Number:
    """A number within its bounds; it has to be whole if the default is."""
    given = get(variable(name))
    if given is None:
        return default
    kind = type(default)
    try:
        value = kind(given)
    except ValueError:
        value = None
    if value is not None and bounds.least <= value <= bounds.most:
        return value
    what = "a whole number" if kind is int else "a number"
    problems.append(f"{variable(name)} must be {what} from {bounds}, it is {given!r}")
    return default


def _directories(listed: str, problems: list[str]) -> dict[str, str]:
    """The directories of a comma list, name → path, as in spool=/var/spool/orders."""
    found: dict[str, str] = {}
    for text in filter(None, map(str.strip, listed.split(","))):
        name, _, path = text.partition("=")
        if not re.fullmatch(DIRECTORY_NAME, name) or name in found:
            problem = f"{name!r} must be a unique name of small letters, digits and _"
        elif not path.startswith("/") or not os.path.isdir(path):  # noqa: PTH112  no Path is kept
            problem = f"{path!r} is not a directory; give an absolute path"
        elif os.path.realpath(path) == "/":
            problem = f"{path!r} is the root directory; grant only the directory that fixes need"
        else:
            found[name] = path
            continue
        problems.append(f"{variable('bash_directories')}: {problem}")
    return found


def _networks(listed: str, problems: list[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks in a comma list, as in 10.1.2.0/24."""
    if not listed:
        return ()
    from ipaddress import ip_network  # noqa: PLC0415  most deployments name none

    found = []
    for text in filter(None, map(str.strip, listed.split(","))):
        try:
            found.append(ip_network(text))
        except ValueError as problem:
            problems.append(f"PATTERN_ENGINE_API_CALL_NETWORKS: {problem}")
    return tuple(found)


def _origins(listed: str) -> frozenset[str]:
    """The origins in a comma list, without trailing slashes, which browsers do not send."""
    return frozenset(origin.strip().rstrip("/") for origin in listed.split(",") if origin.strip())
