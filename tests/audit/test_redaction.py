"""Credentials that somebody let through do not get into the record; what merely looks like one stays readable."""

import json

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from audit import queries, writer
from audit.events import SYSTEM, About, Event
from audit.redact import HIDDEN, redact, redact_text

SECRET_TEXTS = {
    "our own API token": "afd_" + "a1B2" * 10 + "xyz",
    "a Vault service token": "hvs.CAESIJlWh3Xk1xG9mZ0aVt5qPpQ7",
    "a Vault batch token": "hvb.AAAAAQJlWh3Xk1xG9mZ0aVt5qPpQ7",
    "a Vault recovery token": "hvr.AAAAAQJlWh3Xk1xG9mZ0aVt5qPpQ7",
    "an OpenBao service token": "s.4Gh7Kj2Lm9Np3Qr6St8Uv1Wx",
    "a ServiceAccount token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2EifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc\n-----END RSA PRIVATE KEY-----",
    "a private key that was cut off": "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA",
    "an OpenSSH key": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----",
    "a GitHub token": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "a GitHub fine-grained token": "github_pat_11ABCDEFG0abcdefghijkl_MNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ABCDEF",
    "a GitLab token": "glpat-abcDEF123456ghiJKL78",
    "a Slack token": "xoxb-123456789012-abcdefABCDEF",
    "an AWS key id": "AKIAIOSFODNN7EXAMPLE",
    "a Stripe key": "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "a Google key": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
}


@pytest.mark.parametrize("kind", SECRET_TEXTS)
def test_a_credential_in_a_text_is_hidden(kind: str) -> None:
    secret = SECRET_TEXTS[kind]
    for text in (secret, f"login with {secret}, please", f'{{"value":"{secret}"}}', f"--flag={secret}"):
        hidden = redact_text(text)
        assert HIDDEN in hidden
        assert max(secret.split(), key=len) not in hidden
        assert secret not in hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://app:s3cr3t@db:5432/shop", "postgresql://[hidden]@db:5432/shop"),
        ("https://:token@git.example/repo", "https://[hidden]@git.example/repo"),
        ("redis://user:p%40ss@cache/0", "redis://[hidden]@cache/0"),
        ("Authorization: Bearer abcDEF123456ghi", "Authorization: [hidden]"),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: [hidden]"),
        ("X-Vault-Token: root-of-all", "X-Vault-Token: [hidden]"),
        ("psql password=s3cr3t host=db", "psql password=[hidden] host=db"),
        ("run --password s3cr3t --host db", "run --password [hidden] --host db"),
        ("PGPASSWORD=s3cr3t psql", "PGPASSWORD=[hidden] psql"),
        ("{'client_secret': 's3cr3t'}", "{'client_secret': '[hidden]'}"),
    ],
)
def test_only_the_credential_is_hidden(text: str, hidden: str) -> None:
    assert redact_text(text) == hidden


INNOCENT = [
    "registry.example.com:5000/payments/checkout@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "00000000-0000-4000-8000-000000000000",
    "checkout-api-7d8f9c6b5-x2k4q",
    "Restart checkout-api, digest 9f86d081",
    "2026-11-23T09:30:00.123456+00:00",
    "kubectl --context sandbox -n payments-production rollout restart deployment/checkout-api",
    "kubectl create secret generic x --from-file=./token",
    "https://grafana.example.com/d/checkout-api?from=now-1h&to=now",
    "http://127.0.0.1:8080/healthz",
    "mira@example.org asked: does the password rotation work? See token-service, it is 14:30 there.",
    "secret/payments/checkout-api/stripe, version 3",
    "the tokens.example.com certificate", "s.shop and s.checkout", "authorization-service",
    "cookie-banner 1.2", "password-reset-worker: 3 of 3",
    "eyJ is how they begin", "AKIA", "sk_live_", "a:b@c", "12:30@noon",
]  # fmt: skip


@pytest.mark.parametrize("text", INNOCENT)
def test_what_merely_looks_like_one_stays_readable(text: str) -> None:
    assert redact_text(text) == text


SECRET_KEYS = [
    "password", "PASSWORD", "db_password", "db-password", "dbPassword", "PGPASSWORD", "passwd", "pwd", "passphrase", "secret_id",
    "client_secret", "clientSecret", "secretKey", "secret_access_key", "AWS_SECRET_ACCESS_KEY", "token", "accessToken", "id_token",
    "api_key", "apikey", "api-key", "apiKey", "X-Api-Key", "private_key", "privateKey", "credential", "credentials", "authorization",
    "Authorization", "cookie", "set-cookie", "X-Vault-Token", "metadata.token",
]  # fmt: skip
PLAIN_KEYS = [
    "digest", "version", "path", "mount", "secret", "secret_path", "secret_version", "token_ttl", "tokens_left", "token_id", "keys",
    "author", "authorized_by", "passed", "compass", "cookies_accepted", "public_key", "key", "monkey", "resourceVersion",
]  # fmt: skip


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_what_a_key_calls_a_credential_is_hidden_whatever_it_is(key: str) -> None:
    for value in ("plain-looking", 4711, ["a", "b"], {"nested": "value"}, None, True):
        assert redact({"outer": [{key: value}]}) == {"outer": [{key: HIDDEN}]}


@pytest.mark.parametrize("key", PLAIN_KEYS)
def test_other_keys_keep_their_values(key: str) -> None:
    assert redact({key: "value"}) == {key: "value"}


def test_keys_are_texts_too() -> None:
    assert redact({SECRET_TEXTS["a Vault service token"]: 1}) == {HIDDEN: 1}


@given(st.text())
def test_what_was_hidden_once_stays_as_it_is(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_hiding_changes_no_shape(value: object) -> None:
    json.dumps(redact(value))


def test_hiding_takes_no_time_whatever_somebody_sends() -> None:
    for hostile in (
        "://" + "a:" * 50_000,
        "eyJ" + "a." * 50_000,
        "-----BEGIN PRIVATE KEY-----" * 5_000,
        "password=" * 20_000,
        "s." * 50_000,
    ):
        redact_text(hostile)


@pytest.mark.parametrize("kind", SECRET_TEXTS)
def test_no_column_of_the_record_takes_a_credential(db: None, kind: str) -> None:
    secret = SECRET_TEXTS[kind]
    about = About(request=1, service="checkout", target=secret)
    with transaction.atomic():
        writer.record(Event("step.failed", SYSTEM, f"refused: {secret}", about, {"message": secret, "list": [secret]}))
    [row] = queries.events(queries.Filter()).values()
    assert secret not in repr(row)
    assert secret not in json.loads(row["text"])["details"]["message"]
