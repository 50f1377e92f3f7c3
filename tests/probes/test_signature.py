"""Who signed a module, and which keys the firmware lists."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.probes.signature import certificates, signer

# Made with `openssl req -x509 -subj "/O=example/CN=build host key"` and `openssl cms -sign -nocerts -noattr`, which is
# what the kernel's own sign-file makes.
SIGNATURE = base64.b64decode(
    "MIHfBgkqhkiG9w0BBwKggdEwgc4CAQExDTALBglghkgBZQMEAgEwCwYJKoZIhvcNAQcBMYGsMIGpAgEBMEMwKzEQMA4GA1UECgwH"
    "ZXhhbXBsZTEXMBUGA1UEAwwOYnVpbGQgaG9zdCBrZXkCFESjDegM6/sc7wGIY0U1XBJ3TpXCMAsGCWCGSAFlAwQCATAKBggqhkjO"
    "PQQDAgRGMEQCIFGuXoDV0/N8w0cPVOyo11uU2NfeL6bpySYpD3sUZnF1AiARyTxJ/28/DdWMOISvWQTAjYlGATa8oEXJhHjJcZkR"
    "Aw=="
)
CERTIFICATE = base64.b64decode(
    "MIIBqzCCAVGgAwIBAgIURKMN6Azr+xzvAYhjRTVcEndOlcIwCgYIKoZIzj0EAwIwKzEQMA4GA1UECgwHZXhhbXBsZTEXMBUGA1UE"
    "AwwOYnVpbGQgaG9zdCBrZXkwHhcNMjYxMTIzMDg0OTA5WhcNMjYxMjIzMDg0OTA5WjArMRAwDgYDVQQKDAdleGFtcGxlMRcwFQYD"
    "VQQDDA5idWlsZCBob3N0IGtleTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMPJ61vm4kr5rFPPuStGLXY8j4ro2uwitLVdCgpq"
    "E93LZ3B7rj0WIMGcE05fVqaUx6Jt3Sz5gKhGgIosFUqYFDWjUzBRMB0GA1UdDgQWBBTRm42A/xKfXyqXpLoC0/R85Y7VwjAfBgNV"
    "HSMEGDAWgBTRm42A/xKfXyqXpLoC0/R85Y7VwjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCcLjCAGVxV7Yf0"
    "w3IEgbU8f9PCQX6HP6Kp3cbAULqBNgIgCsbGyL/gdIFGUTnNs1IZK5UV3/zmsbJD1cqvh6vMThI="
)
X509 = bytes.fromhex("a159c0a5e494a74a87b5ab155c2bf072")


def end_of_module(signature: bytes, *, kind: int = 2) -> bytes:
    trailer = bytes((0, 0, kind, 0, 0, 0, 0, 0)) + struct.pack(">I", len(signature))
    return b"\x7fELF" + bytes(300) + signature + trailer


def key_list(certificate: bytes, *, kind: bytes = X509) -> bytes:
    each = 16 + len(certificate)
    return kind + struct.pack("<III", 28 + each, 0, each) + bytes(16) + certificate


def test_the_key_of_a_real_signature_is_named() -> None:
    assert signer(end_of_module(SIGNATURE)) == "build host key"


def test_another_kind_of_signature_names_none() -> None:
    assert signer(end_of_module(SIGNATURE, kind=0)) == ""


@pytest.mark.parametrize("length", range(0, len(SIGNATURE), 7))
def test_a_signature_that_was_cut_names_none(length: int) -> None:
    assert signer(end_of_module(SIGNATURE[:length])) == ""


def test_all_certificates_of_all_lists_are_named_and_hashes_are_passed_over() -> None:
    hashes = key_list(bytes(32), kind=bytes(16))
    assert list(certificates(key_list(CERTIFICATE) + hashes + key_list(CERTIFICATE))) == ["build host key"] * 2


def test_a_list_that_claims_to_be_longer_than_it_is_ends_the_reading() -> None:
    assert list(certificates(key_list(CERTIFICATE)[:-1])) == []


@given(st.binary(max_size=400), st.integers(0, len(SIGNATURE)))
def test_no_bytes_make_it_raise(noise: bytes, keep: int) -> None:
    signer(noise)
    signer(end_of_module(SIGNATURE[:keep] + noise))
    list(certificates(noise))
    list(certificates(X509 + noise))
    list(certificates(key_list(CERTIFICATE[:keep] + noise)))
