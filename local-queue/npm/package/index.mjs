import localQueue from './index.cjs';

export const { ActionError, LocalQueueError, findBinary, start } = localQueue;
