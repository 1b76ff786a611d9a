"""From what hvac and requests say to what it means for the caller.

Everything we ask of a vault is a read, so no failure leaves open what happened.
"""

import msgspec
from hvac import exceptions
from requests.exceptions import ConnectionError as Unreachable
from requests.exceptions import ConnectTimeout, ReadTimeout, RequestException

from connectors.errors import ConnectorError, Forbidden, Missing, Permanent, Transient

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
    exceptions.Forbidden: (Forbidden, "The vault {vault} does not allow Afterdeck to read {what}."),
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


def of_exception(error: Exception, *, vault: str, what: str) -> ConnectorError:
    """The nearest entry of the table, with the vault's words. Never the vendor's object: it holds the token."""
    meaning, sentence = next((MEANINGS[base] for base in type(error).__mro__ if base in MEANINGS), OTHERWISE)
    said = "; ".join(error.errors or ()) if isinstance(error, exceptions.VaultError) else ""
    return meaning(sentence.format(vault=vault, what=what, said=said), f"{type(error).__name__}: {said}")
