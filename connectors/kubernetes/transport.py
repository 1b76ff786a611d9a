"""Bytes to and from one API server, over one pool of connections that threads share.

The `kubernetes` package reads the kubeconfig and keeps credentials fresh; requests go through its pool as they are,
because its own calls cannot repeat a header (`Impersonate-Group`), and spend a hundred times longer on a list than
msgspec does.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException, load_kube_config
from urllib3 import BaseHTTPResponse, HTTPHeaderDict, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from connectors.errors import Transient, Unknown
from connectors.kubernetes import failures
from connectors.kubernetes.configuration import ClusterConfig
from connectors.kubernetes.wire import Listed

T = TypeVar("T")
Query = Sequence[tuple[str, str | int]]

TIMEOUT = Timeout(connect=3, read=10)
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PAGE = 500  # what kubectl asks for at once
CONNECTIONS = 16


class Transport:
    def __init__(self, cluster: str, config: ClusterConfig) -> None:
        self._cluster = cluster
        self._config = config
        self._lock = Lock()
        self._client: Any = None  # untyped vendor's object; it does not leave this class
        self._written = 0  # when the kubeconfig was, that the client is made of

    def get(self, path: str, answer: type[T], *, what: str, query: Query = (), timeout: Timeout = TIMEOUT) -> T:
        response = self._ask(
            "GET", path, query, HTTPHeaderDict(), _Outgoing(b""), what, who="Afterdeck", effect=False, timeout=timeout
        )
        return self._decode(response, answer, what, effect=False)

    def metadata(self, path: str, answer: type[T], *, what: str) -> T:
        """Of an object only its metadata, so that what is in it does not even come here."""
        headers = HTTPHeaderDict({"Accept": METADATA_ONLY})
        response = self._ask(
            "GET", path, (), headers, _Outgoing(b""), what, who="Afterdeck", effect=False, timeout=TIMEOUT
        )
        return self._decode(response, answer, what, effect=False)

    def text(
        self, path: str, *, headers: Iterable[tuple[str, str]], query: Query, what: str, who: str, most: int
    ) -> bytes:
        """What is not JSON (a log), read as the person: at most `most` bytes of it."""
        response = self._ask(
            "GET", path, query, HTTPHeaderDict(headers), _Outgoing(b""), what, who=who, effect=False, timeout=TIMEOUT
        )
        return response.data[:most]

    def pages(self, path: str, item: type[T], *, what: str, query: Query = ()) -> Iterator[T]:
        """Every object of a collection, held in memory a page at a time."""
        continued = ""
        while True:
            page = [*query, ("limit", PAGE), *([("continue", continued)] if continued else [])]
            listed = self.get(path, Listed[item], what=what, query=page)  # type: ignore[valid-type]  # msgspec needs the run-time type
            yield from listed.items or ()
            continued = listed.metadata.continue_
            if not continued:
                return

    def merge(
        self,
        path: str,
        patch: Any,
        answer: type[T],
        *,
        headers: Iterable[tuple[str, str]],
        query: Query,
        what: str,
        who: str,
    ) -> T:
        """Send a JSON merge patch. Never sent twice, whatever happens."""
        return self._change(
            "PATCH",
            "application/merge-patch+json",
            path,
            patch,
            answer,
            headers=headers,
            query=query,
            what=what,
            who=who,
        )

    def strategic(
        self,
        path: str,
        patch: Any,
        answer: type[T],
        *,
        headers: Iterable[tuple[str, str]],
        query: Query,
        what: str,
        who: str,
    ) -> T:
        """Send a strategic merge patch, which finds the items of a list by their names. Never sent twice, whatever happens."""
        media_type = "application/strategic-merge-patch+json"
        return self._change("PATCH", media_type, path, patch, answer, headers=headers, query=query, what=what, who=who)

    def apply(
        self,
        path: str,
        declared: Any,
        answer: type[T],
        *,
        headers: Iterable[tuple[str, str]],
        query: Query,
        what: str,
        who: str,
    ) -> T:
        """Apply on the server what `declared` says. `Claimed` when it is somebody else's. Never sent twice, whatever happens."""
        media_type = "application/apply-patch+yaml"  # JSON is YAML
        return self._change(
            "PATCH", media_type, path, declared, answer, headers=headers, query=query, what=what, who=who
        )

    def create(
        self,
        path: str,
        content: Any,
        answer: type[T],
        *,
        headers: Iterable[tuple[str, str]],
        query: Query,
        what: str,
        who: str,
    ) -> T:
        """Create what `content` says. Never sent twice, whatever happens."""
        return self._change(
            "POST", "application/json", path, content, answer, headers=headers, query=query, what=what, who=who
        )

    def delete(
        self,
        path: str,
        options: Any,
        answer: type[T],
        *,
        headers: Iterable[tuple[str, str]],
        query: Query,
        what: str,
        who: str,
    ) -> T:
        """Delete by `DeleteOptions`, which carry the precondition. Never sent twice, whatever happens."""
        return self._change(
            "DELETE", "application/json", path, options, answer, headers=headers, query=query, what=what, who=who
        )

    def _change(
        self,
        method: str,
        media_type: str,
        path: str,
        content: Any,
        answer: type[T],
        *,
        headers: Iterable[tuple[str, str]],
        query: Query,
        what: str,
        who: str,
    ) -> T:
        outgoing = _Outgoing(msgspec.json.encode(content))
        effect = ("dryRun", "All") not in query
        all_headers = HTTPHeaderDict(headers)
        all_headers["Content-Type"] = media_type
        all_headers["Content-Length"] = str(len(outgoing.content))
        response = self._ask(method, path, query, all_headers, outgoing, what, who=who, effect=effect, timeout=TIMEOUT)
        return self._decode(response, answer, what, effect=effect)

    def _ask(
        self,
        method: str,
        path: str,
        query: Query,
        headers: HTTPHeaderDict,
        outgoing: "_Outgoing",
        what: str,
        *,
        who: str,
        effect: bool,
        timeout: Timeout,
    ) -> BaseHTTPResponse:
        try:
            pool, host, credentials = self._open()
            headers.extend({"User-Agent": "afterdeck", **credentials})
            headers.setdefault("Accept", "application/json")
            response = pool.request(
                method,
                f"{host}{path}?{urlencode(query)}" if query else f"{host}{path}",
                headers=headers,
                body=outgoing if outgoing.content else None,
                timeout=timeout,
                retries=False,  # urllib3 would send a request again after a lost response
                redirect=False,
            )
        except (HTTPError, OSError) as error:
            sent = outgoing.left or not outgoing.content
            raise failures.of_exception(error, effect=effect, sent=sent, cluster=self._cluster, what=what) from error
        if not 200 <= response.status < 300:
            raise failures.of_answer(
                response.status, response.data, effect=effect, cluster=self._cluster, what=what, who=who
            )
        return response

    def _decode(self, response: BaseHTTPResponse, answer: type[T], what: str, *, effect: bool) -> T:
        try:
            return msgspec.json.decode(response.data, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            meaning = Unknown if effect else Transient
            raise meaning(
                f"The answer of the cluster {self._cluster} about {what} makes no sense.", str(error)
            ) from error

    def endpoint(self) -> tuple[str, bytes]:
        """Where people reach the server, and the authority they trust (PEM); empty where everybody's own is."""
        _, host, _ = self._open()
        authority = self._client.configuration.ssl_ca_cert
        return self._config.server_for_people or host, Path(authority).read_bytes() if authority else b""

    def _open(self) -> tuple[PoolManager, str, dict[str, str]]:
        """The pool, the server's address, and credentials that are valid now."""
        with self._lock:  # also while a credential plugin of the kubeconfig runs
            written = self._config.kubeconfig.stat().st_mtime_ns if self._config.kubeconfig.exists() else 0
            if self._client is None or written != self._written:  # an administrator may have replaced it
                self._client, self._written = self._read_kubeconfig(), written
            settings = self._client.configuration
            bearer = settings.auth_settings().get("BearerToken")
            credentials = {"Authorization": bearer["value"]} if bearer else {}
            return self._client.rest_client.pool_manager, settings.host, credentials

    def _read_kubeconfig(self) -> Any:
        settings = Configuration(retries=False)
        settings.connection_pool_maxsize = CONNECTIONS
        try:
            load_kube_config(
                config_file=str(self._config.kubeconfig),
                context=self._config.context,
                client_configuration=settings,
                persist_config=False,  # the file is the administrator's, not ours to write
            )
            return ApiClient(settings)
        except (ConfigException, OSError, ValueError, TypeError, yaml.YAMLError) as error:
            # The text of such an error may quote the file, and the file holds credentials.
            raise Transient(
                f"The kubeconfig of the cluster {self._cluster} cannot be used. Nothing was sent.", type(error).__name__
            ) from None


class _Outgoing:
    """A body that knows whether any of it was handed to the network.

    Before that the server cannot have acted, whichever way the connection failed; after it nobody can tell.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.left = False

    def __iter__(self) -> Iterator[bytes]:
        self.left = True
        yield self.content
