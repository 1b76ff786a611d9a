"""A token for one vault: fetched, renewed in time, fetched again when it was taken from us.

hvac's client is untyped and stays in here. A client is made per login and never changed after that, so threads share
it. What must read or write a value does it with a token borrowed for that alone, which is gone when the block ends.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

import hvac
import msgspec

from connectors.errors import ConnectorError, Forbidden, Permanent
from connectors.vault import failures
from connectors.vault.configuration import VaultConfig
from connectors.vault.wire import Granted, HealthAnswer, LookedUp

log = logging.getLogger(__name__)

T = TypeVar("T")
Question = Callable[[Any], Any]

TIMEOUT = (3, 10)
HEALTH_TIMEOUT = (2, 2.5)
FOR_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Login:
    client: Any
    lasts: int  # seconds, as granted first; 0: for ever
    renewable: bool
    renew_at: float  # monotonic


class Session:
    def __init__(self, vault: str, config: VaultConfig) -> None:
        self._vault = vault
        self._config = config
        self._lock = Lock()
        self._login: Login | None = None

    def health(self) -> HealthAnswer:
        """What the vault says about itself, to anybody who asks."""
        nobody = self._client("", HEALTH_TIMEOUT)
        return self._translated(
            lambda: msgspec.convert(
                nobody.sys.read_health_status(standby_ok=True, sealed_code=200, uninit_code=200, method="GET"),
                HealthAnswer,
                strict=False,
            ),
            "its health",
        )

    def ask(self, question: Question, answer: type[T], *, what: str) -> T:
        """The `data` of what `question` gets from a logged-in client. Only for reads: may be asked twice."""
        login = self._logged_in()
        try:
            return self._answer(question, login, answer, what)
        except Forbidden:
            if self._is_alive(login):  # so the refusal is meant
                raise
        return self._answer(question, self._logged_in(instead_of=login), answer, what)

    def tell(self, order: Question, answer: type[T], *, what: str) -> T:
        """The whole answer to `order`, given with our own token. Sent again only after that token was refused.

        Raises `Unknown` when nobody can say whether it happened.
        """
        login = self._logged_in()
        try:
            return self._told(order, login, answer, what)
        except Forbidden:
            if self._is_alive(login):
                raise
        return self._told(order, self._logged_in(instead_of=login), answer, what)

    def _told(self, order: Question, login: Login, answer: type[T], what: str) -> T:
        def told() -> T:
            said = order(login.client)
            return msgspec.convert(said if isinstance(said, dict) else {}, answer)

        return self._translated(told, what, effect=True)

    def holding(self, token: str) -> "Borrowed":
        """For calls with a token that was made for somebody, and that lives on."""
        return Borrowed(self, self._client(token, TIMEOUT))

    @contextmanager
    def borrowed(self, role: str, *, display_name: str, notes: Mapping[str, str]) -> Iterator["Borrowed"]:
        """A child token of ours by the token role `role`, revoked when the block ends; until then its own limit holds.

        The vault's audit log shows `display_name` and `notes` with everything that is done with it. Raises `Forbidden` or
        `Permanent` when there is no such role, or it is not for us.
        """
        granted = self.ask(
            lambda vault: {"data": vault.auth.token.create(role_name=role, display_name=display_name, meta=dict(notes))["auth"]},
            Granted,
            what=f"a token of the role {role}",
        )  # fmt: skip
        client = self._client(granted.client_token, TIMEOUT)
        try:
            yield Borrowed(self, client)
        finally:
            try:
                self._translated(client.auth.token.revoke_self, "a token that was borrowed")
            except ConnectorError as problem:
                log.warning("A borrowed token is left to its own end: %s", problem.sentence)

    def _is_alive(self, login: Login) -> bool:
        """A token that was revoked, or replaced in its file, is refused everything."""
        try:
            self._translated(login.client.auth.token.lookup_self, "our own token")
        except Forbidden:
            return False
        return True

    def _answer(self, question: Question, login: Login, answer: type[T], what: str) -> T:
        return self._translated(lambda: msgspec.convert(question(login.client)["data"], answer), what)

    def _logged_in(self, instead_of: Login | None = None) -> Login:
        with self._lock:
            if self._login is None or self._login is instead_of:
                self._login = self._fresh()
            elif monotonic() >= self._login.renew_at:
                self._login = self._renewed(self._login)
            return self._login

    def _renewed(self, login: Login) -> Login:
        if login.renewable:
            try:
                answer = self._translated(login.client.auth.token.renew_self, "a token")
                granted = msgspec.convert(answer["auth"], Granted)
                if granted.lease_duration * 2 > login.lasts:  # less: its longest life is about to end
                    return _login(login.client, granted.lease_duration, granted.renewable, login.lasts)
            except ConnectorError:
                pass  # a new login is the answer to whatever is wrong with the old token, or says what is wrong
        return self._fresh()

    def _fresh(self) -> Login:
        try:
            return self._translated(self._new_login, "a token")
        except (Forbidden, Permanent) as refusal:  # AppRole answers 400 to a wrong secret id
            raise Forbidden(
                f"The vault {self._vault} does not accept Afterdeck's credentials.", refusal.detail
            ) from None

    def _new_login(self) -> Login:
        if self._config.token_file is not None:
            client = self._client(_secret_in(self._config.token_file), TIMEOUT)
            found = msgspec.convert(client.auth.token.lookup_self()["data"], LookedUp)
            return _login(client, found.ttl, found.renewable)
        assert self._config.role_id_file is not None
        assert self._config.secret_id_file is not None
        role_id, secret_id = _secret_in(self._config.role_id_file), _secret_in(self._config.secret_id_file)
        answer = self._client("", TIMEOUT).auth.approle.login(role_id=role_id, secret_id=secret_id)
        granted = msgspec.convert(answer["auth"], Granted)
        return _login(self._client(granted.client_token, TIMEOUT), granted.lease_duration, granted.renewable)

    def _client(self, token: str, timeout: tuple[float, float]) -> Any:
        # Without a token hvac would take one from the environment or the home directory: "" is none at all.
        return hvac.Client(url=self._config.address, token=token, timeout=timeout)

    def _translated(self, call: Callable[[], T], what: str, *, effect: bool = False) -> T:
        try:
            return call()
        except failures.VENDOR_ERRORS as error:
            failure = failures.of_exception(error, vault=self._vault, what=what, effect=effect)
        raise failure  # out here, so that it does not carry the vendor's error, which holds the token


class Borrowed:
    """A token for a few calls. Each is sent once."""

    def __init__(self, session: Session, client: Any) -> None:
        self._session, self._client = session, client

    def ask(self, question: Question, answer: type[T], *, what: str) -> T:
        return self._session._translated(lambda: msgspec.convert(question(self._client)["data"], answer), what)

    def tell(self, order: Question, *, what: str) -> Any:
        """Raises `Conflict` when the check-and-set number is not the current one, `Unknown` when nobody can say whether it happened."""
        return self._session._translated(lambda: order(self._client), what, effect=True)


def _login(client: Any, lasts: int, renewable: bool, granted_first: int | None = None) -> Login:
    renew_at = monotonic() + lasts * 2 / 3 if lasts else FOR_EVER
    return Login(client, lasts if granted_first is None else granted_first, renewable, renew_at)


def _secret_in(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
