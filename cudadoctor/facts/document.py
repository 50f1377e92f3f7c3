"""The file format of saved facts: JSON both ways, with a version.

Bytes in, structs out; reading and writing files is for the caller.
"""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any, Literal

import msgspec

from cudadoctor.facts.machine import Machine

KIND = "cudadoctor-facts"
SCHEMA_VERSION = 1
MAX_BYTES = 64 * 2**20
"""Facts of a node are some 20 kB; the limit keeps a mistaken file from filling memory."""


class FactsError(ValueError):
    """The bytes are not facts that this version can read; the message says what they are."""

    def __init__(self, message: str, kind: Literal["damaged", "foreign", "newer"] = "damaged") -> None:
        super().__init__(message)
        self.kind = kind


def encode_facts(machine: Machine, *, version: str, recorded_at: str) -> bytes:
    """Return a facts file.

    Args:
        machine: The facts.
        version: Of cudadoctor, for people.
        recorded_at: When they were gathered, ISO 8601 in UTC.
    """
    document = {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "version": version,
        "recorded_at": recorded_at,
        "facts": msgspec.to_builtins(machine),
    }
    return encode_json(document)


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What a facts file or a JSON report holds: the facts, and what its head says of them.

    `command` is "" for a facts file. `version` is that of the cudadoctor that wrote it, `recorded_at` ISO 8601 or "".
    """

    machine: Machine
    command: str
    version: str
    recorded_at: str
    schema_version: int


class _Head(msgspec.Struct, frozen=True):
    """The outer object, whose facts are not looked into yet."""

    facts: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    findings: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    kind: msgspec.Raw = msgspec.Raw(b"null")
    command: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    schema_version: msgspec.Raw = msgspec.Raw(b"null")
    version: msgspec.Raw = msgspec.Raw(b"null")
    recorded_at: msgspec.Raw = msgspec.Raw(b"null")


_HEAD = msgspec.json.Decoder(_Head)


@cache
def _machine_decoder() -> msgspec.json.Decoder[Machine]:
    """Return the decoder of facts; to make it takes 20 ms, which a command that reads no file should not pay."""
    return msgspec.json.Decoder(Machine)


def decode_facts(data: bytes) -> Machine:
    """Read a facts file, or the `facts` of a report that was written with `--format json`.

    Raises:
        FactsError: The bytes are damaged, foreign, or of a newer version.
    """
    return decode_saved(data).machine


def decode_saved(data: bytes, *, max_bytes: int = MAX_BYTES) -> Saved:
    """Read a facts file or a JSON report, with what its head says.

    What is not facts is passed over without being built, so hostile nesting or length costs no memory.

    Args:
        data: The file.
        max_bytes: More than this is refused.

    Raises:
        FactsError: The bytes are damaged, foreign, or of a newer version.
    """
    if len(data) > max_bytes:
        raise FactsError(f"is larger than {max_bytes // 2**20} MiB, which no facts file is")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # `cudadoctor ... > file` in Windows PowerShell writes UTF-16
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    head = _head(data.removeprefix(b"\xef\xbb\xbf"))
    is_report = head.command is not msgspec.UNSET and head.findings is not msgspec.UNSET
    if isinstance(head.facts, msgspec.UnsetType) or not (_value(head.kind) == KIND or is_report):
        raise FactsError(_FOREIGN, "foreign")
    version = _value(head.schema_version)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise FactsError("is damaged: schema_version is not a positive whole number")
    if version > SCHEMA_VERSION:
        raise FactsError(
            f"was written by a newer cudadoctor (schema {version}, this one reads up to {SCHEMA_VERSION}): "
            "update cudadoctor",
            "newer",
        )
    try:
        machine = _machine_decoder().decode(head.facts)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FactsError(f"is damaged ({error})") from None
    return Saved(
        machine=machine,
        command="" if isinstance(head.command, msgspec.UnsetType) else _text(head.command),
        version=_text(head.version),
        recorded_at=_text(head.recorded_at),
        schema_version=version,
    )


def _head(data: bytes) -> _Head:
    try:
        try:
            return _HEAD.decode(data)
        except msgspec.ValidationError:
            msgspec.json.decode(data, type=msgspec.Raw)  # raises where it is not even JSON
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FactsError(f"is not JSON, or is damaged ({error})") from None
    raise FactsError(_FOREIGN, "foreign")


_FOREIGN = "is JSON, but not a facts file or report of cudadoctor"
_LONGEST_IN_HEAD = 200


def _value(raw: msgspec.Raw) -> Any:
    """Return a short value of the head; None for a long one, which is none of ours, and for a damaged one."""
    if len(memoryview(raw)) > _LONGEST_IN_HEAD:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _text(raw: msgspec.Raw) -> str:
    value = _value(raw)
    return value if isinstance(value, str) else ""


def encode_json(document: Any) -> bytes:
    """Encode as indented JSON in plain ASCII: no control character reaches a terminal, and NaN becomes null."""
    text = json.dumps(_finite(document), indent=2, ensure_ascii=True, allow_nan=False)
    return text.replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def _finite(value: Any) -> Any:
    """Replace floats that JSON cannot hold by None, and halves of surrogate pairs by escapes."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
