"""The file format of saved facts: JSON both ways, with a version.

Bytes in, structs out; reading and writing files is for the caller.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from cudadoctor.facts.machine import Machine

KIND = "cudadoctor-facts"
SCHEMA_VERSION = 1
MAX_BYTES = 64 * 2**20
"""Facts of a node are some 20 kB; the limit keeps a mistaken file from filling memory."""


class FactsError(ValueError):
    """The bytes are not facts that this version can read; the message says what they are."""


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


def decode_facts(data: bytes) -> Machine:
    """Read a facts file, or the `facts` of a report that was written with `--format json`.

    Raises:
        FactsError: The bytes are damaged, foreign, or of a newer version.
    """
    if len(data) > MAX_BYTES:
        raise FactsError(f"is larger than {MAX_BYTES // 2**20} MiB, which no facts file is")
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FactsError(f"is not JSON, or is damaged ({error})") from None
    if not isinstance(document, dict) or "facts" not in document or not _is_ours(document):
        raise FactsError("is JSON, but not a facts file or report of cudadoctor")
    version = document.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise FactsError("is damaged: schema_version is not a positive whole number")
    if version > SCHEMA_VERSION:
        raise FactsError(
            f"was written by a newer cudadoctor (schema {version}, this one reads up to {SCHEMA_VERSION}): "
            "update cudadoctor"
        )
    try:
        return msgspec.convert(document["facts"], type=Machine)
    except (msgspec.ValidationError, RecursionError) as error:
        raise FactsError(f"is damaged ({error})") from None


def encode_json(document: Any) -> bytes:
    """Encode as indented JSON in plain ASCII: no control character reaches a terminal, and NaN becomes null."""
    text = json.dumps(_finite(document), indent=2, ensure_ascii=True, allow_nan=False)
    return text.replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def _is_ours(document: dict[str, Any]) -> bool:
    return document.get("kind") == KIND or ("command" in document and "findings" in document)


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
