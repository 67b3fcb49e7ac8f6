'use strict';

/** Any error of this package. */
class LocalQueueError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** SQS refused an action: `code` is its name for the reason, such as QueueDoesNotExist. */
class ActionError extends LocalQueueError {
  constructor(action, status, code, message) {
    super(`${action} failed: ${code}: ${message}`);
    this.action = action;
    this.status = status;
    this.code = code;
  }
}

module.exports = { ActionError, LocalQueueError };
