"""Signatures of tokens: the examples of the RFCs, and PyJWT as a second opinion on whatever else may come."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskmaster.cli import keypair
from taskmaster.identity import jws, oidc
from taskmaster.identity.jws import MalformedToken, base64url
from taskmaster.identity.oidc import Rejected, Verifier
from tests.support.issuer import ALGORITHMS, AUDIENCE, jwk, private_key
from tests.support.sizes import size

ISSUER = "https://issuer.example"
KEYS = [jwk(private_key(algorithm), kid=algorithm) for algorithm in ALGORITHMS]
NOW = int(time.time())
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 3600}


# The RFCs' own examples -----------------------------------------------------------------------------------------------

# RFC 7515, appendix A.2 and A.3: one payload, signed twice.
JOE = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
EXAMPLES: dict[str, tuple[dict[str, str], str]] = {
    "RFC 7515, A.2": (
        {
            "kty": "RSA",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-"
            "yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7W"
            "TBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kz"
            "k2PAcDTW9gb54h4FRWyuXpoQ",
            "e": "AQAB",
        },
        f"eyJhbGciOiJSUzI1NiJ9.{JOE}."
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1d"
        "nZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwu"
        "sC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ),
    "RFC 7515, A.3": (
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        f"eyJhbGciOiJFUzI1NiJ9.{JOE}."
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
    "RFC 8037, A.4": (
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_rfcs_hold(example: str) -> None:
    key, token = EXAMPLES[example]
    assert jws.is_signed_by(jws.parsed(token), key)
    head, payload, signature = token.split(".")
    other = base64url(b"x" + jws.base64url_decoded(payload))
    assert not jws.is_signed_by(jws.parsed(f"{head}.{other}.{signature}"), key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_key_of_another_kind_or_curve_is_tried(algorithm: str) -> None:
    token = jws.parsed(signed(CLAIMS, algorithm=algorithm))
    for other in ALGORITHMS:
        key = jwk(private_key(other, "another"))
        another_curve = other[:2] == algorithm[:2] == "ES" and other != algorithm
        if another_curve or key["kty"] != jwk(private_key(algorithm))["kty"]:
            with pytest.raises(ValueError, match="a key"):
                jws.is_signed_by(token, key)
        else:
            assert not jws.is_signed_by(token, key)


@pytest.mark.parametrize("size", [0, 1, 63, 65, 128])
def test_an_elliptic_signature_has_one_length(size: int) -> None:
    token = jws.parsed(signed(CLAIMS, algorithm="ES256"))._replace(signature=b"\1" * size)
    assert not jws.is_signed_by(token, jwk(private_key("ES256")))


@pytest.mark.parametrize("signature", [b"\0" * 64, b"\0" * 32 + b"\1" * 32, b"\xff" * 64])
def test_numbers_outside_of_the_curves_order_are_no_signature(signature: bytes) -> None:
    """CVE-2022-21449: zeros that verified anything."""
    token = jws.parsed(signed(CLAIMS, algorithm="ES256"))._replace(signature=signature)
    assert not jws.is_signed_by(token, jwk(private_key("ES256")))


def test_a_signature_in_der_is_none() -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    token = jws.parsed(signed(CLAIMS, algorithm="ES256"))
    r, s = (int.from_bytes(token.signature[part], "big") for part in (slice(32), slice(32, None)))
    assert not jws.is_signed_by(token._replace(signature=encode_dss_signature(r, s)), jwk(private_key("ES256")))


BROKEN_KEYS: list[dict[str, Any]] = [
    {},
    {"kty": "EC"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-256", "x": base64url(b"\1" * 32), "y": base64url(b"\1" * 32)},  # not on the curve
    {"kty": "EC", "crv": "P-256", "x": 7, "y": None},
    {"kty": "EC", "crv": "secp256k1", "x": base64url(b"\1" * 32), "y": base64url(b"\1" * 32)},
    {"kty": ["EC"]},
]


@pytest.mark.parametrize("key", BROKEN_KEYS, ids=repr)
def test_a_key_that_is_none_is_a_value_error(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        jws.is_signed_by(jws.parsed(signed(CLAIMS, algorithm="ES256")), key)


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "RSA", "n": base64url(b"\xff" * 256), "e": base64url(b"\1")},
        {"kty": "RSA", "n": base64url(b"\xff" * 256), "e": base64url(b"\2")},
        {"kty": "RSA", "n": base64url(b"\xff" * 256), "e": base64url(b"\xff" * 300)},
        {"kty": "RSA", "n": "", "e": "AQAB"},
        {"kty": "RSA", "n": base64url(b"\xff" * 255), "e": "AQAB"},  # too short
    ],
    ids=repr,
)
def test_an_rsa_key_that_is_none_is_a_value_error(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        jws.is_signed_by(jws.parsed(signed(CLAIMS, algorithm="RS256")), key)


@pytest.mark.parametrize("text", ["A", "AB==", "AB=", "A+/=", "A B", "AA\n", "ä", "AB", "_-9", "AAA.", "\u0661AAA"])
def test_base64url_is_written_in_one_way(text: str) -> None:
    """RFC 7515, 2; "AB" and "_-9" have bits behind their last byte that say nothing."""
    with pytest.raises(MalformedToken):
        jws.base64url_decoded(text)


# A second opinion -----------------------------------------------------------------------------------------------------


def signed(claims: Any, *, algorithm: str = "ES256", **header: Any) -> str:
    """Any JSON, signed as it is."""
    head = base64url(json.dumps({"alg": algorithm, "kid": algorithm, **header}).encode())
    body = base64url(json.dumps(claims).encode())
    signer = jwt.get_algorithm_by_name(algorithm)
    signature = signer.sign(f"{head}.{body}".encode(), private_key(algorithm))
    return f"{head}.{body}.{base64url(signature)}"


def ours(token: str) -> str | None:
    """The user, or None."""
    keys = json.dumps({"keys": KEYS})
    try:
        return Verifier(oidc.Issuer(ISSUER, (AUDIENCE,), "sub", keys, "", "")).user_of(token, now=time.time())
    except Rejected:
        return None


def theirs(token: str) -> str | None:
    """What PyJWT says, asked as strictly as it can be."""
    try:
        header = jwt.get_unverified_header(token)
        [key] = [key for key in KEYS if key["kid"] == header.get("kid")]
        claims = jwt.decode(
            token,
            jwt.PyJWK(key, key["kid"]),
            algorithms=[key["kid"]],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=oidc.LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
        )
        return str(claims["sub"])
    except (jwt.PyJWTError, ValueError, TypeError, UnicodeError):
        return None


TOKENS = {algorithm: signed(CLAIMS, algorithm=algorithm) for algorithm in ALGORITHMS}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_both_accept_every_algorithm(algorithm: str) -> None:
    assert ours(TOKENS[algorithm]) == theirs(TOKENS[algorithm]) == "ada"


@given(st.sampled_from(ALGORITHMS), st.data())
def test_a_token_with_one_character_changed_is_refused(algorithm: str, data: st.DataObject) -> None:
    token = TOKENS[algorithm]
    at = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.one_of(st.sampled_from("ABab09-_=.+/ \n\0"), st.characters()))
    how = data.draw(st.sampled_from(["replace", "insert", "delete"]))
    changed = token[:at] + ("" if how == "delete" else character) + token[at + (how != "insert") :]
    if changed != token:
        assert ours(changed) is None


@given(st.text())
def test_any_text_is_answered_by_a_refusal(text: str) -> None:
    assert ours(text) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MOMENTS = st.integers(NOW - 200, NOW + 200).filter(lambda moment: abs(abs(moment - NOW) - 30) > 25)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "alg": st.sampled_from([*ALGORITHMS, "none", "None", "HS256", "ES256K", ""]) | JSON,
            "kid": st.sampled_from([*ALGORITHMS, "other"]) | JSON,
            "typ": st.sampled_from(["JWT", "at+jwt", "logout+jwt", ""]) | JSON,
            "crit": JSON,
            "b64": JSON,
            "jwk": JSON,
        },
    )
)
def test_whatever_header_is_accepted_pyjwt_accepts_too(header: dict[str, Any]) -> None:
    token = signed(CLAIMS, **header) if isinstance(header.get("alg", ""), str) else with_header(header)
    if (user := ours(token)) is not None:
        assert user == theirs(token)


@given(
    st.fixed_dictionaries(
        {"iss": st.just(ISSUER), "aud": st.just(AUDIENCE), "sub": st.just("ada"), "exp": st.just(NOW + 3600)},
        optional={"iat": MOMENTS | JSON, "nbf": MOMENTS | JSON, "jti": JSON},
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "iss": st.sampled_from([ISSUER, ISSUER + "/"]) | JSON,
            "aud": st.lists(st.sampled_from([AUDIENCE, "other"]), max_size=2) | JSON,
            "sub": JSON,
            "exp": MOMENTS | JSON,
        },
    ),
)
@settings(max_examples=size(75, 300))
def test_claims_are_judged_as_pyjwt_judges_them(usual: dict[str, Any], other: dict[str, Any]) -> None:
    """But for moments: PyJWT takes texts and booleans for numbers, where RFC 7519, 2, wants a number; and any one."""
    claims = {**usual, **other}
    numbers = (claims[name] for name in ("iat", "nbf", "exp") if name in claims)
    token = signed(claims)
    if (user := ours(token)) is not None or all(type(number) is int and abs(number) < 1e15 for number in numbers):
        assert user == theirs(token)


def with_header(header: dict[str, Any]) -> str:
    """A token whose header says this and nothing else, under the signature of a good one."""
    _, body, signature = TOKENS["ES256"].split(".")
    return f"{base64url(json.dumps(header).encode())}.{body}.{signature}"


def test_pyjwt_verifies_what_a_key_pair_signs() -> None:
    private = keypair.new()
    token = keypair.token("ada", private, issuer="i", audience="a", seconds=60)
    [key] = json.loads(keypair.public_keys(private))["keys"]
    claims = jwt.decode(token, jwt.PyJWK(key), audience="a", issuer="i", options={"require": ["iat", "exp", "jti"]})
    assert claims["sub"] == "ada"
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    again = keypair.token("ada", private, issuer="i", audience="a", seconds=60)
    assert again != token


def test_a_header_that_names_a_member_twice_is_read_as_json_reads_it() -> None:
    """The last one counts, for both: what is signed cannot mean two things."""
    head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"ES256","alg":"ES256"}').rstrip(b"=").decode()
    body = base64url(json.dumps(CLAIMS).encode())
    signature = jwt.get_algorithm_by_name("ES256").sign(f"{head}.{body}".encode(), private_key("ES256"))
    token = f"{head}.{body}.{base64url(signature)}"
    assert ours(token) == theirs(token) == "ada"
