// The emulator as the JavaScript SDK v3 and sqs-consumer see it. ENDPOINT is where it listens.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The packages are installed elsewhere, so they are looked for from there.
const require = createRequire(`${process.env.CLIENTS}/`);
const sdk = require("@aws-sdk/client-sqs");
const { Consumer } = await import(require.resolve("sqs-consumer"));

const client = new sdk.SQSClient({
  endpoint: process.env.ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
});
const send = (name, input) => client.send(new sdk[`${name}Command`](input));

// Create, send, receive, delete.
const { QueueUrl: dead } = await send("CreateQueue", { QueueName: "node-dead" });
const { Attributes } = await send("GetQueueAttributes", { QueueUrl: dead, AttributeNames: ["QueueArn"] });
const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 1 });
const { QueueUrl } = await send("CreateQueue", { QueueName: "node-jobs", Attributes: { RedrivePolicy } });
const color = { DataType: "String", StringValue: "r\u00f6d" };
await send("SendMessage", { QueueUrl, MessageBody: "hello", MessageAttributes: { color } });
const { Messages } = await send("ReceiveMessage", { QueueUrl, MessageAttributeNames: ["All"], WaitTimeSeconds: 1 });
assert.equal(Messages.length, 1);
assert.equal(Messages[0].Body, "hello");
assert.equal(Messages[0].MessageAttributes.color.StringValue, "r\u00f6d");
await send("DeleteMessage", { QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle });
assert.equal((await send("ReceiveMessage", { QueueUrl })).Messages, undefined);

// A dead letter, and back.
await send("SendMessage", { QueueUrl, MessageBody: "poison" });
await send("ReceiveMessage", { QueueUrl, VisibilityTimeout: 0 });
assert.equal((await send("ReceiveMessage", { QueueUrl })).Messages, undefined);
await send("StartMessageMoveTask", { SourceArn: Attributes.QueueArn });
const back = await send("ReceiveMessage", { QueueUrl, WaitTimeSeconds: 2 });
assert.equal(back.Messages[0].Body, "poison");
await send("DeleteMessage", { QueueUrl, ReceiptHandle: back.Messages[0].ReceiptHandle });

// FIFO.
const fifo = await send("CreateQueue", { QueueName: "node.fifo", Attributes: { FifoQueue: "true" } });
for (const [MessageGroupId, MessageBody] of [["a", "1"], ["b", "2"], ["a", "3"], ["a", "3"]]) {
  const MessageDeduplicationId = MessageBody;
  await send("SendMessage", { QueueUrl: fifo.QueueUrl, MessageBody, MessageGroupId, MessageDeduplicationId });
}
const inOrder = await send("ReceiveMessage", { QueueUrl: fifo.QueueUrl, MaxNumberOfMessages: 10 });
assert.deepEqual(inOrder.Messages.map((message) => message.Body), ["1", "3", "2"]);

// Errors are caught by type.
await assert.rejects(send("GetQueueUrl", { QueueName: "node-nothing" }), sdk.QueueDoesNotExist);
await assert.rejects(send("DeleteMessage", { QueueUrl, ReceiptHandle: "garbage" }), sdk.ReceiptHandleIsInvalid);
await assert.rejects(
  send("CreateQueue", { QueueName: "node-jobs", Attributes: { DelaySeconds: "7" } }),
  sdk.QueueNameExists,
);
await assert.rejects(send("SendMessageBatch", { QueueUrl, Entries: [] }), sdk.EmptyBatchRequest);

// sqs-consumer: long polls, deletes what it has handled, leaves what failed.
const handled = [];
const consumer = Consumer.create({
  queueUrl: QueueUrl,
  sqs: client,
  batchSize: 10,
  waitTimeSeconds: 5,
  handleMessage: async (message) => {
    handled.push(message.Body);
    if (message.Body === "bad") throw new Error("cannot be handled");
    return message;
  },
});
const failed = new Promise((resolve) => consumer.once("processing_error", resolve));
consumer.start();
for (const MessageBody of ["one", "two", "bad"]) await send("SendMessage", { QueueUrl, MessageBody });
await failed;
while (handled.length < 3) await new Promise((resolve) => consumer.once("response_processed", resolve));
consumer.stop({ abort: true });
assert.deepEqual([...handled].sort(), ["bad", "one", "two"]);

console.log("done");
process.exit(0);
