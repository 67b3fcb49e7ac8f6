// What the types allow and refuse: checked by tsc, not run.

import { SQSClient } from '@aws-sdk/client-sqs';
import { ActionError, start, type Account, type LocalQueue } from 'local-queue';

const server: LocalQueue = await start({ clock: 'manual', create: ['jobs'], arguments: ['--relaxed'] });
const queues: Account = server.newAccount();
new SQSClient(queues.clientConfig);
const url: string = await queues.createQueue('jobs', { VisibilityTimeout: 30, RedrivePolicy: { maxReceiveCount: 3 } });
const fault = await queues.faults.inject('latency', { milliseconds: 5 });
await queues.faults.remove(fault);
const found = await queues.locate(url, 'id');
const body: string | undefined = found.place === 'gone' ? undefined : found.body;
const port: string | undefined = queues.env.AWS_ENDPOINT_URL;
// @ts-expect-error: there are two clocks
await start({ clock: 'virtual' });
// @ts-expect-error: effects have names
await queues.faults.inject('fire');
// @ts-expect-error: an account is no server
await queues.stop();
try {
  await queues.call('ListQueues');
} catch (error) {
  if (error instanceof ActionError) error.code satisfies string;
}
await using another = await start();
export { another, body, port };
