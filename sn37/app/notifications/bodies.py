"""Bodies of messages for programs, Discord and Slack. Texts of strangers are escaped for each."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from urllib.parse import urlsplit

from sn37.app.notifications.outbox import Parcel
from sn37.domain.canonical import JsonValue

MAX_CHARACTERS = 1900  # Discord takes 2,000
SUPPRESS_EMBEDS = (
    4  # https://discord.com/developers/docs/resources/message#message-object-message-flags
)
_DISCORD_HOSTS = ("discord.com", "discordapp.com")
_SLACK_HOST = "hooks.slack.com"
# https://support.discord.com/hc/en-us/articles/210298617: a backslash shows a character as it is.
# All that are not letters: a name such as discord.gg/x would be shown as an invitation.
_DISCORD_MARKS = re.compile(r"([!-/:-@\[-`{-~])")
# https://docs.slack.dev/messaging/formatting-message-text: these three, and no others.
_SLACK_MARKS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class BodyFormat(StrEnum):
    """Format of a message."""

    JSON = "json"
    DISCORD = "discord"
    SLACK = "slack"


def format_of(address: str) -> BodyFormat:
    """Return the format that the host of a webhook takes; JSON for other hosts."""
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    if any(host == known or host.endswith(f".{known}") for known in _DISCORD_HOSTS):
        # Discord also offers an address that takes Slack's format.
        return BodyFormat.SLACK if parts.path.endswith("/slack") else BodyFormat.DISCORD
    return BodyFormat.SLACK if host == _SLACK_HOST else BodyFormat.JSON


def body_of(parcel: Parcel, format_: BodyFormat, *, sender: str) -> bytes:
    """Return the JSON body of one message.

    Args:
        sender: Name of the validator, such as "sn37 finney".
    """
    notice = parcel.notice
    if format_ is BodyFormat.JSON:
        fields: dict[str, JsonValue] = {
            "sender": sender,
            "kind": notice.kind.value,
            "title": notice.title,
            "text": notice.text,
            "num_more": parcel.num_more,
            "at": notice.at.isoformat(timespec="seconds"),
        }
        return json.dumps(fields).encode()
    more = f" (and {parcel.num_more} more)" if parcel.num_more else ""
    line = f"{sender}: {notice.title}{more}"
    said = (f"{line}\n{notice.text}" if notice.text else line)[: MAX_CHARACTERS // 2]
    if format_ is BodyFormat.SLACK:
        text = "".join(_SLACK_MARKS.get(c, c) for c in said)
        fields = {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
    else:
        fields = {
            "content": _DISCORD_MARKS.sub(r"\\\1", said),
            "allowed_mentions": {"parse": []},
            "flags": SUPPRESS_EMBEDS,
        }
    return json.dumps(fields).encode()
