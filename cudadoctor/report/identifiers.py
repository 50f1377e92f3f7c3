"""What names one card, one machine, one network or one account in a text, and what stands in its place."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable

_UUID = re.compile(r"(?<![\w-])(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})(?![\w-])")
_OF_CARD = re.compile(
    r"(?<!\w)(GPU-|MIG-)([0-9a-fA-F]{4,8}(?![\w-])|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{1,4}){1,3}(?:-[0-9a-fA-F]{1,12})?)"
    r"(?![\w-])"
)
_MASKED = "00000000-0000-0000-"

_SERIAL = re.compile(
    r"(?i)\b((?:board |chassis |gpu )?serial(?:[ _]?(?:number|no\.?))?['\"]?\s*[:=]\s*['\"]?)([\w-]{4,})"
)
_NOT_SERIALS = frozenset({"n/a", "none", "unknown", "disabled", "enabled"})

_MAC = re.compile(r"(?<![\w:.-])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![\w:-])")
# A version of four parts looks like an address of the fourth version: parts below 100 need more that speaks for one.
_IPV4 = re.compile(
    r"(?P<before>://|@|\b(?:inet|ip|addr|address|host|peer|node|server|master|ssh|connect(?:ed|ing)? to)[ =:]+)?"
    r"(?<![\w.-])(?<!==)(?P<it>\d{1,3}(?:\.\d{1,3}){3})(?P<after>:\d{2,5}|/\d{1,2})?(?![\w.-])",
    re.IGNORECASE,
)
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9a-fA-F:]*:[0-9a-fA-F:]*:)[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:])")
_NOT_OF_ANYBODY = frozenset({"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "::"})

_URL_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_ASSIGNED = re.compile(
    r"(?i)((?<![a-z0-9])[\w-]*(?:token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key|credentials?)(?![a-z])[\w-]*['\"]?"
    r"\s*[=:]\s*(?:bearer\s+)?['\"]?)(?![/~\d.]*(?:[\s'\",;]|$)|[/~])([^\s'\",;]{6,})"
)
_BEARER = re.compile(r"(?i)(\bbearer\s+)([\w.~+/=-]{8,})")
# By their beginnings: Hugging Face, GitHub, GitLab, OpenAI, AWS, Slack, NVIDIA, and JSON Web Tokens.
_TOKEN = re.compile(
    r"(?<![\w-])(?:hf_\w{16,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|AKIA[0-9A-Z]{16}"
    r"|xox[abeprs]-[\w-]{10,}|nvapi-[\w-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,})"
)


_UUID_ANYWHERE = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def whole_uuids(texts: Iterable[str]) -> frozenset[str]:
    """Return the UUIDs that stand in full in these texts, in lower case."""
    return frozenset(found.lower() for text in texts if "-" in text for found in _UUID_ANYWHERE.findall(text))


def without_identifiers(text: str, whole: frozenset[str] = frozenset()) -> str:
    """Return a text without serial numbers, UUIDs, addresses of networks, passwords and tokens.

    Args:
        text: Any text.
        whole: The UUIDs of the report. The beginning of one of them, by which CUDA_VISIBLE_DEVICES may name a GPU, is
            replaced by what stands for the whole.
    """
    if "-" in text:
        text = _OF_CARD.sub(lambda match: match[1] + _stand_in(match[2], whole), text)
        text = _UUID.sub(lambda match: _stand_in(match[0], whole), text)
    if "serial" in text.lower():
        text = _SERIAL.sub(lambda match: match[0] if match[2].lower() in _NOT_SERIALS else match[1] + "[serial]", text)
    if "." in text or ":" in text or "-" in text:
        text = _MAC.sub("[address]", text)
        text = _URL_CREDENTIALS.sub("", text)
        text = _IPV4.sub(_without_ipv4, text)
        text = _IPV6.sub(_without_ipv6, text)
    text = _ASSIGNED.sub(r"\1[secret]", text)
    text = _BEARER.sub(r"\1[secret]", text)
    return _TOKEN.sub("[secret]", text)


def _stand_in(uuid: str, whole: frozenset[str]) -> str:
    """Return what stands for a UUID or its beginning: zeros, and 64 bits of its digest, which nobody can turn back."""
    uuid = uuid.lower()
    if uuid.startswith(_MASKED):
        return uuid
    meant = [each for each in whole if each.startswith(uuid)]
    digest = hashlib.sha256((meant[0] if len(meant) == 1 else uuid).encode()).hexdigest()
    return f"{_MASKED}{digest[:4]}-{digest[4:16]}"


def _without_ipv4(match: re.Match[str]) -> str:
    text = match["it"]
    parts = [int(part) for part in text.split(".")]
    if max(parts) > 255 or text != ".".join(map(str, parts)) or text in _NOT_OF_ANYBODY:
        return match[0]
    if max(parts) < 100 and match["before"] is None and match["after"] is None:
        return match[0]
    return f"{match['before'] or ''}[address]{match['after'] or ''}"


def _without_ipv6(match: re.Match[str]) -> str:
    text = match[0]
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return text
    # Names in C++ and times have colons, too: a real address has a part of three digits or more, or a digit in it.
    parts = [part for part in text.split(":") if part]
    if text in _NOT_OF_ANYBODY or len(parts) < 2 or not any(len(part) >= 3 for part in parts):
        return text
    return "[address]"
