// The same from CommonJS.

import localQueue = require('local-queue');

localQueue.start().then((queues: localQueue.LocalQueue) => queues.stop());
