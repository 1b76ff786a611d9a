"""From what hvac and requests say to what it means for the caller.

A read that failed changed nothing. A write is another matter: a 500 of a vault was seen to come after the write was done,
so whatever is not a refusal, and did not fail before anything was sent, is *unknown*.
"""

import msgspec
from hvac import exceptions
from requests.exceptions import ConnectionError as Unreachable
from requests.exceptions import ConnectTimeout, ReadTimeout, RequestException
from urllib3.exceptions import MaxRetryError, NewConnectionError

from connectors.errors import Conflict, ConnectorError, Forbidden, Missing, Permanent, Transient, Unknown

VENDOR_ERRORS = (
    exceptions.VaultError,
    RequestException,
    OSError,
    msgspec.ValidationError,
    ValueError,
    TypeError,
    KeyError,
)

MEANINGS: dict[type[Exception], tuple[type[ConnectorError], str]] = {
    exceptions.InvalidRequest: (Permanent, "The vault {vault} refuses this: {said}"),
    exceptions.ParamValidationError: (Permanent, "The vault {vault} cannot be asked this: {said}"),
    exceptions.UnsupportedOperation: (Permanent, "The vault {vault} refuses this: {said}"),
    exceptions.Unauthorized: (Forbidden, "The vault {vault} does not accept our credentials."),
    exceptions.Forbidden: (Forbidden, "The vault {vault} does not allow Afterdeck to {do} {what}."),
    exceptions.InvalidPath: (Missing, "The vault {vault} has no {what}."),
    exceptions.VaultDown: (Transient, "The vault {vault} is sealed or in maintenance."),
    exceptions.VaultError: (Transient, "The vault {vault} cannot answer at the moment."),
    ReadTimeout: (Transient, "The vault {vault} does not answer in time."),
    ConnectTimeout: (Transient, "The vault {vault} cannot be reached."),
    Unreachable: (Transient, "The vault {vault} cannot be reached."),
    FileNotFoundError: (Transient, "The credentials for the vault {vault} are not where the settings say."),
    PermissionError: (Transient, "The credentials for the vault {vault} cannot be read."),
}
OTHERWISE = (Transient, "The answer of the vault {vault} about {what} makes no sense.")


NEVER_SENT = (
    ConnectTimeout, exceptions.VaultDown, exceptions.RateLimitExceeded, FileNotFoundError, PermissionError
)  # fmt: skip
STALE = "check-and-set parameter did not match"
NOT_KNOWN = "The vault {vault} did not say whether it changed {what}."


def of_exception(error: Exception, *, vault: str, what: str, effect: bool = False) -> ConnectorError:
    """The nearest entry of the table, with the vault's words. Never the vendor's object: it holds the token.

    `effect`: the call was a write, so that no answer leaves open whether it happened.
    """
    meaning, sentence = next((MEANINGS[base] for base in type(error).__mro__ if base in MEANINGS), OTHERWISE)
    said = "; ".join(error.errors or ()) if isinstance(error, exceptions.VaultError) else ""
    if effect and STALE in said:
        meaning, sentence = Conflict, "In the vault {vault}, {what} has another version by now. Nothing was changed."
    elif effect and meaning is Transient and not _never_sent(error):
        meaning, sentence = Unknown, NOT_KNOWN
    text = sentence.format(vault=vault, what=what, said=said, do="change" if effect else "read")
    return meaning(text, f"{type(error).__name__}: {said}")


def _never_sent(error: Exception) -> bool:
    """Whether the vault cannot have acted on it: nobody was reached, it is sealed or busy, or we had nothing to log in with."""
    if isinstance(error, NEVER_SENT):
        return True
    cause = error.args[0] if isinstance(error, Unreachable) and error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
