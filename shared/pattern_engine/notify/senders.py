"""Handing a message to Apprise, which knows some hundred services by the schema of a URL.

Each try carries the message's id. A mail has it as its `Message-ID`, so that a mail program shows a
mail that came twice once; a webhook (`json`, `xml`, `form`) as the header `Idempotency-Key`.
Every text ends with it, whatever the service is.
"""

from __future__ import annotations

import email
import logging
import smtplib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pattern_engine.exceptions import NotificationsNotInstalled
from pattern_engine.notify.wording import Room

if TYPE_CHECKING:
    from pattern_engine.notify.wording import Message

try:
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
    from apprise.exception import AppriseException
    from apprise.plugins.email.base import NotifyEmail
    from apprise.plugins.email.smtp import AppriseSMTPController
except ModuleNotFoundError as missing:
    raise NotificationsNotInstalled from missing

MOST_SECONDS: Final = 15.0
"""A URL may ask for longer time-outs, but a worker's lease on its target is not that long."""
MAIL: Final = frozenset({"mailto", "mailtos"})
MAX_REASON_LENGTH: Final = 500
_TYPES: Final = {
    "warning": NotifyType.WARNING,
    "error": NotifyType.FAILURE,
    "critical": NotifyType.FAILURE,
}


class NotSent(Exception):  # noqa: N818  a refusal of the service, and no fault of the engine
    """The service did not accept a message, or its URL is not usable; the text says why."""


class Mail(NotifyEmail):  # type: ignore[misc]  # Apprise's plugins are untyped
    """Apprise's mail, with the Message-ID that it is given.

    Apprise adds one of its own to each mail that it prepares, and a second one is not allowed.
    """

    reference = ""

    def send(self, body: str, title: str = "", **_: object) -> bool:
        """Send one mail as plain text; answer whether the server accepted it."""
        prepared = self.prepare_emails(
            subject=title,
            body=body,
            notify_format=NotifyFormat.TEXT,
            from_addr=self.from_addr,
            to=self.targets,
            reply_to=self.reply_to,
            smtp_host=self.smtp_host,
            headers={"X-Application": self.app_id, **self.headers},
            names=self.names,
            pgp=self.pgp,
            pgp_mode=self.pgp_mode,
            tzinfo=self.tzinfo,
        )
        try:
            with AppriseSMTPController(
                host=self.smtp_host,
                port=self.port,
                secure_mode=self.secure_mode,
                user=self.user,
                password=self.password,
                verify_certificate=self.verify_certificate,
                socket_connect_timeout=self.socket_connect_timeout,
            ) as server:
                return all(
                    server.sendmail(self.from_addr[1], one.to_addrs, self._referenced(one.body))
                    for one in prepared
                )
        except (OSError, smtplib.SMTPException, AppriseException) as problem:
            self.logger.warning("The mail server %s: %s", self.smtp_host, problem)
            return False

    def _referenced(self, mail: str) -> str:
        parsed = email.message_from_string(mail)
        parsed.replace_header("Message-ID", self.reference)
        return parsed.as_string()


@dataclass(frozen=True, slots=True)
class Sender:
    """One address of one service."""

    plugin: Any
    room: Room

    def send(self, message: Message, reference: str) -> None:
        """Send a message.

        Raises:
            NotSent: if the service did not accept it.
        """
        is_mail = isinstance(self.plugin, Mail)
        if is_mail:
            self.plugin.reference = reference
        elif isinstance(getattr(self.plugin, "headers", None), dict):
            self.plugin.headers["Idempotency-Key"] = reference
        services = Apprise(self.plugin)
        result = services.notify(
            body=message.body,
            title=message.title,
            notify_type=_TYPES.get(message.severity, NotifyType.INFO),
            # So it is escaped for a service that reads HTML or Markdown.
            body_format=NotifyFormat.TEXT,
            interpret_escapes=False,
            log_level=logging.DEBUG if is_mail else logging.WARNING,
        )
        if not result:
            told = " ".join(
                entry.message
                for entry in result.logs()
                # What a mail server answered is logged so; the URL of a webhook would be, too.
                if entry.level != "DEBUG" or entry.message.startswith("Socket Exception")
            )
            raise NotSent(_without_password(told, self.plugin) or "The service refused the message")


def sender(url: str | None, secret: str) -> Sender:
    """The sender for a target's URL.

    Raises:
        NotSent: if the URL is missing, is none of Apprise, or names several recipients.
    """
    if not url:
        raise NotSent(
            f"Vault has no secret {secret}; as the owner of the database run:"
            f" select vault.create_secret('the Apprise URL', '{secret}')"
        )
    asset = AppriseAsset(app_id="Pattern Learning Engine", interpret_emojis=False)
    plugin = _plugin(url, asset)
    if plugin is None:
        raise NotSent(f"The secret {secret} holds no Apprise URL, such as mailtos://… or slack://…")
    plugin.retry = 0  # The database repeats.
    plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, MOST_SECONDS)
    plugin.socket_read_timeout = min(plugin.socket_read_timeout, MOST_SECONDS)
    copies = len(getattr(plugin, "cc", ())) + len(getattr(plugin, "bcc", ()))
    if len(plugin) + copies != 1:
        raise NotSent(
            f"The URL in the secret {secret} names {len(plugin) + copies} recipients; make a target"
            " for each, so that one that fails is tried again without the others"
        )
    return Sender(plugin, Room(plugin.title_maxlen, plugin.body_maxlen))


def _plugin(url: str, asset: AppriseAsset) -> Any:  # noqa: ANN401  Apprise's plugins are untyped
    """The plugin for a URL; None if there is none."""
    if url.partition(":")[0].lower() not in MAIL:
        return Apprise.instantiate(url, asset=asset)
    parsed = Mail.parse_url(url)
    try:
        return Mail(**parsed, asset=asset) if parsed else None
    except (AppriseException, TypeError):
        return None


def _without_password(text: str, plugin: Any) -> str:  # noqa: ANN401  see above
    password = getattr(plugin, "password", None)
    return (text.replace(password, "****") if password else text)[:MAX_REASON_LENGTH]
