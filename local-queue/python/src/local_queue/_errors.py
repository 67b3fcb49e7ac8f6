"""What can go wrong. Each error is a sentence that names what was found."""

from __future__ import annotations


class LocalQueueError(Exception):
    """Any error of this package."""


class BinaryNotFoundError(LocalQueueError):
    """The program ``local-queue`` is in none of the places where an installation puts it."""


class StartError(LocalQueueError):
    """The server did not start. The text ends with what it wrote to standard error."""


class RequestError(LocalQueueError):
    """The developer's API refused a request, or nobody answered it."""


class ActionError(LocalQueueError):
    """SQS refused an action: ``code`` is its name for the reason, such as ``QueueDoesNotExist``."""

    def __init__(self, action: str, status: int, code: str, message: str) -> None:
        super().__init__(f"{action} failed: {code}: {message}")
        self.action = action
        self.status = status
        self.code = code
        self.message = message
