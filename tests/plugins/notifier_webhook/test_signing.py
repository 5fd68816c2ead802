"""Signatures: of who knows the secret, whole, and of now."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsnext_notifier_webhook import SignatureError, sign, verify

SECRET = "a secret of the tests"
NOW = 1_700_000_000.9
BODY = b'{"events":[]}'


def test_signature_is_what_the_convention_says() -> None:
    headers = sign(SECRET, "id-1", BODY, now=NOW)
    digest = hmac.new(SECRET.encode(), b"id-1.1700000000." + BODY, hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "id-1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_secret_in_base64_is_the_key_that_it_stands_for() -> None:
    key = bytes(range(24))
    secret = "whsec_" + base64.b64encode(key).decode()
    digest = hmac.new(key, b"id-1.1700000000." + BODY, hashlib.sha256).digest()
    assert sign(secret, "id-1", BODY, now=NOW)["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


@given(body=st.binary(max_size=200), place=st.integers(0, 10**6))
def test_genuine_request_is_taken_and_a_changed_one_is_not(body: bytes, place: int) -> None:
    headers = sign(SECRET, "id-1", body, now=NOW)
    verify(SECRET, {name.upper(): value for name, value in headers.items()}, body, now=NOW + 299)
    changed = body[: place % (len(body) + 1)] + b"!" + body[place % (len(body) + 1) :]
    with pytest.raises(SignatureError, match="does not fit"):
        verify(SECRET, headers, changed, now=NOW)


@pytest.mark.parametrize(
    ("changes", "secret", "now", "words"),
    [
        ({}, "another secret", NOW, "does not fit"),
        ({}, SECRET, NOW + 301, "seconds old"),
        ({}, SECRET, NOW - 301, "clocks differ"),
        ({"webhook-id": "id-2"}, SECRET, NOW, "does not fit"),
        ({"webhook-timestamp": "1700000001"}, SECRET, NOW, "does not fit"),
        ({"webhook-timestamp": "soon"}, SECRET, NOW, "no number"),
        ({"webhook-signature": "v2,abc"}, SECRET, NOW, "does not fit"),
        ({"webhook-signature": ""}, SECRET, NOW, "does not fit"),
    ],
)
def test_request_that_is_not_genuine_is_refused(changes: dict[str, str], secret: str, now: float, words: str) -> None:
    headers = sign(SECRET, "id-1", BODY, now=NOW) | changes
    with pytest.raises(SignatureError, match=words):
        verify(secret, headers, BODY, now=now)


def test_unsigned_request_is_refused_and_one_of_several_signatures_is_enough() -> None:
    with pytest.raises(SignatureError, match="webhook-id, webhook-timestamp, webhook-signature"):
        verify(SECRET, {}, BODY)
    headers = sign(SECRET, "id-1", BODY, now=NOW)
    headers["webhook-signature"] = f"v1,bm90IHRoaXMgb25l {headers['webhook-signature']}"
    verify(SECRET, headers, BODY, now=NOW)
