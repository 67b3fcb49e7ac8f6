'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { LocalQueueError } = require('./errors.cjs');

const PLATFORMS = ['linux-x64', 'linux-arm64'];

/** The path of the program: what LOCAL_QUEUE_BINARY names, else that of this machine's package. */
function findBinary() {
  const named = process.env.LOCAL_QUEUE_BINARY;
  if (named) {
    if (!fs.existsSync(named)) throw new LocalQueueError(`LOCAL_QUEUE_BINARY names ${named}, where there is no file`);
    return named;
  }
  const platform = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.includes(platform)) {
    throw new LocalQueueError(
      `there is no binary for ${platform}, only for ${PLATFORMS.join(' and ')}; set LOCAL_QUEUE_BINARY to the path of one`,
    );
  }
  try {
    return path.join(path.dirname(require.resolve(`local-queue-${platform}/package.json`)), 'bin', 'local-queue');
  } catch {
    throw new LocalQueueError(
      `the package local-queue-${platform} is not installed; install local-queue again, without --omit=optional, ` +
        'or set LOCAL_QUEUE_BINARY to the path of a binary',
    );
  }
}

module.exports = { findBinary };
