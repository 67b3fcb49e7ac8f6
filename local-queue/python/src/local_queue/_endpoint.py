"""Requests to a server, each on a connection of its own, so that any number of threads can send them."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ._errors import ActionError, RequestError

#: Longer than the longest long poll.
TIMEOUT_SECONDS = 60


class Endpoint:
    """A server, and how to tell why it does not answer."""

    def __init__(self, url: str, why_silent: Callable[[], str]) -> None:
        self.url = url
        self._host = urlsplit(url).netloc
        self._why_silent = why_silent

    def ask(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Any:
        """Asks the developer's API, under ``/_local-queue/``."""
        target = "/_local-queue/" + "/".join(quote(part, safe="") for part in path)
        if query:
            target += "?" + urlencode(query)
        headers = {"content-type": "application/json"}
        status, answer = self._send(method, target, headers, None if body is None else _json(body))
        if status >= 400:
            raise RequestError(_member(answer, "error") or f"{method} {target} was answered {status}: {_text(answer)}")
        return json.loads(answer) if answer else None

    def call(self, action: str, account: str, region: str, members: Mapping[str, object]) -> dict[str, Any]:
        """Calls an action of SQS as an account, which a server that checks no signatures believes."""
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"AmazonSQS.{action}",
            "authorization": f"AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/sqs/aws4_request",
        }
        status, answer = self._send("POST", "/", headers, _json(members))
        if status >= 400:
            code = (_member(answer, "__type") or str(status)).rpartition("#")[2]
            raise ActionError(action, status, code, _member(answer, "message") or _text(answer))
        decoded = json.loads(answer) if answer else {}
        assert isinstance(decoded, dict)
        return decoded

    def _send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._host, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, target, body, {**headers, "connection": "close"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RequestError(f"{self.url} did not answer ({error}): {self._why_silent()}") from error
        finally:
            connection.close()


def _json(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, default=_encode).encode()


def _encode(value: object) -> str:
    # A binary attribute, as the protocol has it.
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is no value of a request: {value!r}")


def _member(answer: bytes, name: str) -> str | None:
    try:
        decoded = json.loads(answer)
    except ValueError:
        return None
    member = decoded.get(name) if isinstance(decoded, dict) else None
    return member if isinstance(member, str) else None


def _text(answer: bytes) -> str:
    return answer.decode("utf-8", "replace").strip()
