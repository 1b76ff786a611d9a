"""From what HTTP and urllib3 say to what it means for the caller: did anything happen, and is trying again safe?

The only place that knows a status code. For a read and for a dry run every failure is harmless; for a write it
depends on whether bytes went out, and on whether the answer proves that the server refused.
"""

import re

import msgspec
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError, TimeoutError

from connectors.errors import Conflict, ConnectorError, Forbidden, Missing, Permanent, Transient, Unknown
from connectors.kubernetes.claims import Claimed, claims_in

# An answer that proves that nothing was done. 410: a page of a list that has expired. 429: refused before processing.
PROOF_OF_REFUSAL: dict[int, type[ConnectorError]] = {
    401: Forbidden,
    403: Forbidden,
    404: Missing,
    409: Conflict,
    410: Transient,
    429: Transient,
}
SENTENCES: dict[type[ConnectorError], str] = {
    Forbidden: "The cluster {cluster} does not allow {who} to do this to {what}.",
    Missing: "The cluster {cluster} has no {what}.",
    Claimed: "Somebody else has set what would be changed on {what}. Nothing was changed.",
    Conflict: "{what} is no longer what it was when it was read. Nothing was changed.",
    Permanent: "The cluster {cluster} refuses this: {said}",
    Transient: "The cluster {cluster} cannot answer at the moment. Nothing was changed.",
    Unknown: "The cluster {cluster} was asked to change {what} and gave no clear answer: it may have happened or not.",
}

# Admission plugins and webhooks answer 403 too. Only an authoriser says who cannot do what.
_NOT_AUTHORISED = re.compile(r'User "[^"]*" cannot ')


class Cause(msgspec.Struct):
    field: str = ""
    message: str = ""
    reason: str = ""


class Details(msgspec.Struct):
    causes: list[Cause] | None = None


class Status(msgspec.Struct):
    """`v1.Status`, as far as it tells one refusal from another."""

    message: str = ""
    details: Details | None = None


_status = msgspec.json.Decoder(Status)


def of_answer(code: int, body: bytes, *, effect: bool, cluster: str, what: str, who: str) -> ConnectorError:
    """What an answer other than 2xx means. `effect`: a real write, so that a 5xx leaves open what happened."""
    status = _read(body)
    meaning: type[ConnectorError]
    causes = (status.details and status.details.causes) or []
    claims = [(cause.message, cause.field) for cause in causes if cause.reason == "FieldManagerConflict"]
    if code == 409 and claims:
        sentence = SENTENCES[Claimed].format(what=what)
        return Claimed(sentence, f"HTTP 409: {status.message}", claims_in(claims))
    if code >= 500:
        meaning = Unknown if effect else Transient
    elif code == 403 and not _NOT_AUTHORISED.search(status.message):
        meaning = Permanent
    elif code == 422 and any(cause.field == "metadata.uid" for cause in causes):
        meaning = Conflict  # another object by the same name: the server calls it a change of an immutable field
    else:
        meaning = PROOF_OF_REFUSAL.get(code, Permanent)
    sentence = SENTENCES[meaning].format(cluster=cluster, what=what, who=who, said=status.message or f"HTTP {code}.")
    return meaning(sentence, f"HTTP {code}: {status.message}")


def of_exception(error: Exception, *, effect: bool, sent: bool, cluster: str, what: str) -> ConnectorError:
    """What the lack of an answer means. `sent`: any of the request's body was handed to the network."""
    detail = f"{type(error).__name__}: {error}"
    if effect and sent:
        return Unknown(SENTENCES[Unknown].format(cluster=cluster, what=what), detail)
    if isinstance(error, SSLError):
        return Transient(f"No trusted connection to the cluster {cluster} can be made. Nothing was sent.", detail)
    if isinstance(error, NewConnectionError | ConnectTimeoutError) or not sent:
        return Transient(f"The cluster {cluster} cannot be reached. Nothing was sent.", detail)
    if isinstance(error, TimeoutError):
        return Transient(f"The cluster {cluster} does not answer in time.", detail)
    return Transient(f"The cluster {cluster} broke the connection off before it answered.", detail)


def _read(body: bytes) -> Status:
    try:
        return _status.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a proxy's page, or nothing
        return Status(message=body[:400].decode("utf-8", "replace"))
