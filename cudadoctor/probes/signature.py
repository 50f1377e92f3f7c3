"""Names in the signature of a kernel module and in the key lists of UEFI.

Both are DER. A module ends with a PKCS #7 message, twelve bytes that tell its length, and a mark
(`include/linux/module_signature.h`); the message holds no certificate, but names the key by issuer and serial number,
and a key that signs modules issued itself. A list of keys is a row of EFI_SIGNATURE_LIST (UEFI specification 32.4.1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MOST_BYTES = 1 << 14
"""A signature with a key of 4096 bits has about 800 bytes."""

_TRAILER_BYTES = 12
_PKCS7 = 2  # of enum pkey_id_type
_X509_LIST = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")  # EFI_CERT_X509_GUID, as it lies in memory
_COMMON_NAME = bytes.fromhex("0603550403")
_SEQUENCE, _SET, _FIRST_CHOICE = 0x30, 0x31, 0xA0

Value = tuple[int, bytes]
"""Tag and content of one DER value."""


def signer(end: bytes) -> str:
    """Return the common name of the key that signed a module, "" if the signature does not tell.

    Args:
        end: The end of the module's file, without the mark.
    """
    trailer, end = end[-_TRAILER_BYTES:], end[:-_TRAILER_BYTES]
    if len(trailer) < _TRAILER_BYTES or trailer[2] != _PKCS7:
        return ""
    (length,) = struct.unpack(">I", trailer[8:])
    try:
        # ContentInfo: an object identifier, then SignedData in a wrapping of its own.
        wrapped = _values(_one(end[-length:], _SEQUENCE))[1]
        signed_data = _values(_one(wrapped[1], _SEQUENCE))
        # The last of SignedData is the set of signers; of a signer, the second is the name of the key.
        signer_info = _values(_values(signed_data[-1][1])[0][1])
        return _common_name(_values(signer_info[1][1])[0][1])
    except (IndexError, ValueError):
        return ""


def certificates(lists: bytes) -> Iterator[str]:
    """Yield the common name of each certificate's subject in key lists of UEFI, as far as they can be read."""
    while len(lists) >= 28:
        size, header, each = struct.unpack("<III", lists[16:28])
        if size < 28 or size > len(lists) or each < 17:
            return
        if lists[:16] == _X509_LIST:
            body = lists[28 + header : size]
            for start in range(0, len(body) - each + 1, each):
                name = _subject(body[start + 16 : start + each])  # sixteen bytes of owner come first
                if name:
                    yield name
        lists = lists[size:]


def _subject(certificate: bytes) -> str:
    try:
        fields = _values(_values(_one(certificate, _SEQUENCE))[0][1])
        # Version, which old certificates lack; then number, algorithm, issuer, validity, subject.
        return _common_name(fields[5 if fields[0][0] == _FIRST_CHOICE else 4][1])
    except (IndexError, ValueError):
        return ""


def _common_name(name: bytes) -> str:
    """Return the common name among the parts of a name, else its first part that is text."""
    texts = []
    for tag, part in _values(name):
        for _, pair in _values(part) if tag == _SET else []:
            kind, value = _values(pair)[:2]
            text = value[1].decode("utf-8", "replace")
            if bytes((kind[0], len(kind[1]))) + kind[1] == _COMMON_NAME:
                return text
            texts.append(text)
    return texts[0] if texts else ""


def _one(data: bytes, tag: int) -> bytes:
    found, content = _values(data, most=1)[0]
    if found != tag:
        raise ValueError("another kind of value was expected")
    return content


def _values(data: bytes, most: int = 64) -> list[Value]:
    """Return the values that stand one after the other."""
    found: list[Value] = []
    while data and len(found) < most:
        tag, length, start = data[0], data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        if start + length > len(data):
            raise ValueError("a value is longer than what holds it")
        found.append((tag, data[start : start + length]))
        data = data[start + length :]
    return found
