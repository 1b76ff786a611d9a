"""What an answer, or the lack of one, means: the whole table."""

import json

import pytest
from hvac import exceptions as vault
from requests import exceptions as requests
from urllib3 import HTTPSConnectionPool
from urllib3 import exceptions as urllib3
from urllib3.connection import HTTPConnection

from connectors.errors import Conflict, Forbidden, Missing, Permanent, Transient, Unknown
from connectors.kubernetes import failures
from connectors.vault.failures import of_exception as of_vault_exception

REFUSED = urllib3.NewConnectionError(HTTPConnection("localhost"), "refused")
CONNECTION, POOL = HTTPConnection("localhost"), HTTPSConnectionPool("localhost")
RBAC = 'deployments.apps "api" is forbidden: User "mira" cannot patch resource "deployments" in API group "apps"'
QUOTA = 'pods "api" is forbidden: exceeded quota: team, requested: pods=1, used: pods=10, limited: pods=10'
WEBHOOK = 'admission webhook "policy.example.org" denied the request: no restarts on Fridays'


def status(message: str = "", *fields: str) -> bytes:
    causes = [{"reason": "FieldValueInvalid", "field": field} for field in fields]
    return json.dumps({"kind": "Status", "message": message, "details": {"causes": causes}}).encode()


@pytest.mark.parametrize(
    ("code", "body", "of_a_read", "of_a_write"),
    [
        (302, b"", Permanent, Permanent),
        (400, status("does not support dry run"), Permanent, Permanent),
        (401, status("Unauthorized"), Forbidden, Forbidden),
        (403, status(RBAC), Forbidden, Forbidden),
        (403, status(QUOTA), Permanent, Permanent),
        (403, status(WEBHOOK), Permanent, Permanent),
        (404, status("not found"), Missing, Missing),
        (405, status(), Permanent, Permanent),
        (409, status("the object has been modified"), Conflict, Conflict),
        (410, status("The provided continue parameter is too old"), Transient, Transient),
        (422, status("spec.replicas: Invalid value", "spec.replicas"), Permanent, Permanent),
        (422, status("field is immutable", "metadata.uid"), Conflict, Conflict),
        (429, status("too many requests"), Transient, Transient),
        (500, status("etcdserver: request timed out"), Transient, Unknown),
        (502, b"<html>Bad Gateway</html>", Transient, Unknown),
        (503, status("apiserver not ready"), Transient, Unknown),
        (504, status("Timeout"), Transient, Unknown),
    ],
)
def test_what_an_answer_of_a_cluster_means(code, body, of_a_read, of_a_write):
    for effect, meaning in ((False, of_a_read), (True, of_a_write)):
        error = failures.of_answer(code, body, effect=effect, cluster="north", what="Deployment a/b", who="mira")
        assert type(error) is meaning


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'{"message": 3}', b"\xff\xfe", b'{"details": null}', b"{" * 100_000]
)
def test_an_answer_that_makes_no_sense_still_has_a_meaning(body):
    error = failures.of_answer(500, body, effect=True, cluster="north", what="Deployment a/b", who="mira")

    assert type(error) is Unknown


def test_a_refusal_says_what_the_server_said():
    error = failures.of_answer(
        422, status("spec.replicas: must be\n\x1b[31mless"), effect=True, cluster="north", what="x", who="mira"
    )

    assert "spec.replicas: must be less" in error.sentence


@pytest.mark.parametrize(
    ("error", "sent", "of_a_read", "of_a_write"),
    [
        (urllib3.NewConnectionError(CONNECTION, "refused"), False, Transient, Transient),
        (urllib3.ConnectTimeoutError("3 s"), False, Transient, Transient),
        (urllib3.SSLError("certificate verify failed"), False, Transient, Transient),
        (urllib3.ReadTimeoutError(POOL, "/", "in the handshake"), False, Transient, Transient),
        (urllib3.ReadTimeoutError(POOL, "/", "10 s"), True, Transient, Unknown),
        (urllib3.ProtocolError("Connection aborted."), True, Transient, Unknown),
        (urllib3.IncompleteRead(10, 100), True, Transient, Unknown),
        (urllib3.SSLError("bad record"), True, Transient, Unknown),
        (ConnectionResetError(), True, Transient, Unknown),
    ],
)
def test_what_no_answer_of_a_cluster_means(error, sent, of_a_read, of_a_write):
    for effect, meaning in ((False, of_a_read), (True, of_a_write)):
        assert type(failures.of_exception(error, effect=effect, sent=sent, cluster="north", what="x")) is meaning


@pytest.mark.parametrize(
    ("error", "of_a_read", "of_a_write"),
    [
        (vault.InvalidRequest(errors=["missing client token"]), Permanent, Permanent),
        (
            vault.InvalidRequest(errors=["check-and-set parameter did not match the current version"]),
            Permanent,
            Conflict,
        ),
        (vault.Unauthorized(), Forbidden, Forbidden),
        (vault.Forbidden(errors=["permission denied"]), Forbidden, Forbidden),
        (vault.InvalidPath(), Missing, Missing),
        (vault.RateLimitExceeded(), Transient, Transient),
        (vault.InternalServerError(errors=["disk full"]), Transient, Unknown),
        (vault.BadGateway(), Transient, Unknown),
        (vault.VaultDown(errors=["Vault is sealed"]), Transient, Transient),
        (vault.UnexpectedError(), Transient, Unknown),
        (requests.ConnectTimeout(), Transient, Transient),
        (requests.ConnectionError(urllib3.MaxRetryError(POOL, "/", REFUSED)), Transient, Transient),
        (requests.ConnectionError(urllib3.ProtocolError("Connection aborted.")), Transient, Unknown),
        (requests.ConnectionError(), Transient, Unknown),
        (requests.ReadTimeout(), Transient, Unknown),
        (requests.JSONDecodeError("no", "", 0), Transient, Unknown),
        (FileNotFoundError(), Transient, Transient),
        (KeyError("data"), Transient, Unknown),
    ],
)
def test_what_a_vaults_failure_means(error, of_a_read, of_a_write):
    for effect, meaning in ((False, of_a_read), (True, of_a_write)):
        assert type(of_vault_exception(error, vault="north", what="a secret", effect=effect)) is meaning
