'use strict';

const { findBinary } = require('./lib/binary.cjs');
const { ActionError, LocalQueueError } = require('./lib/errors.cjs');
const { start } = require('./lib/server.cjs');

module.exports = { ActionError, LocalQueueError, findBinary, start };
