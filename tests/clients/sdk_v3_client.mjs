// The emulator as the JavaScript SDK v3 sees it: over JSON, or over Query (3.445, 3.272). ENDPOINT is where it listens, and
// the argument is the package's name.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The packages are installed elsewhere, so they are looked for from there.
const require = createRequire(`${process.env.CLIENTS}/`);
const sdk = require(process.argv[2]);
const [, minor] = require(`${process.argv[2]}/package.json`).version.split(".");
const isQuery = Number(minor) < 447;

const client = new sdk.SQSClient({
  endpoint: process.env.ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
});
const send = (name, input) => client.send(new sdk[`${name}Command`](input));

// Create, send, receive, delete. The SDK itself checks the digests of bodies.
const { QueueUrl: dead } = await send("CreateQueue", { QueueName: "node-dead" });
const { Attributes } = await send("GetQueueAttributes", { QueueUrl: dead, AttributeNames: ["QueueArn"] });
const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 1 });
const { QueueUrl } = await send("CreateQueue", { QueueName: "node-jobs", Attributes: { RedrivePolicy } });
const color = { DataType: "String", StringValue: "r\u00f6d\r\n<&>" };
const blob = { DataType: "Binary", BinaryValue: Uint8Array.of(0, 255) };
const MessageBody = 'h\u00e4llo "w\u00f6rld" \r\n\t<&> \u{1f600}';
await send("SendMessage", { QueueUrl, MessageBody, MessageAttributes: { color, blob } });
const { Messages } = await send("ReceiveMessage", { QueueUrl, MessageAttributeNames: ["All"], WaitTimeSeconds: 1 });
assert.equal(Messages.length, 1);
assert.equal(Messages[0].Body, MessageBody);
assert.equal(Messages[0].MessageAttributes.color.StringValue, color.StringValue);
assert.deepEqual(Uint8Array.from(Messages[0].MessageAttributes.blob.BinaryValue), blob.BinaryValue);
await send("DeleteMessage", { QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle });
assert.equal((await send("ReceiveMessage", { QueueUrl })).Messages, undefined);

// A long poll ends when a message comes.
const waiting = send("ReceiveMessage", { QueueUrl: dead, WaitTimeSeconds: 20 });
await send("SendMessage", { QueueUrl: dead, MessageBody: "at last" });
const [late] = (await waiting).Messages;
assert.equal(late.Body, "at last");
await send("ChangeMessageVisibility", { QueueUrl: dead, ReceiptHandle: late.ReceiptHandle, VisibilityTimeout: 0 });
const [again] = (await send("ReceiveMessage", { QueueUrl: dead, AttributeNames: ["All"] })).Messages;
assert.equal(again.Attributes.ApproximateReceiveCount, "2");
await send("DeleteMessage", { QueueUrl: dead, ReceiptHandle: again.ReceiptHandle });

// Batches, whose entries fail one by one.
const sent = await send("SendMessageBatch", {
  QueueUrl: dead,
  Entries: [
    { Id: "good", MessageBody: "good\r" },
    { Id: "bad", MessageBody: "delayed for too long", DelaySeconds: 901 },
  ],
});
assert.deepEqual(sent.Successful.map((entry) => entry.Id), ["good"]);
assert.deepEqual(sent.Failed.map((entry) => [entry.Id, entry.SenderFault]), [["bad", true]]);
const [{ Body, ReceiptHandle }] = (await send("ReceiveMessage", { QueueUrl: dead })).Messages;
assert.equal(Body, "good\r");
const Entries = [{ Id: "good", ReceiptHandle }, { Id: "bad", ReceiptHandle: "garbage" }];
const deleted = await send("DeleteMessageBatch", { QueueUrl: dead, Entries });
assert.deepEqual(deleted.Successful.map((entry) => entry.Id), ["good"]);
assert.deepEqual(deleted.Failed.map((entry) => [entry.Id, entry.Code]), [["bad", "ReceiptHandleIsInvalid"]]);

// A dead letter, and back where the SDK knows how.
await send("SendMessage", { QueueUrl, MessageBody: "poison" });
await send("ReceiveMessage", { QueueUrl, VisibilityTimeout: 0 });
assert.equal((await send("ReceiveMessage", { QueueUrl })).Messages, undefined);
if (sdk.StartMessageMoveTaskCommand) {
  await send("StartMessageMoveTask", { SourceArn: Attributes.QueueArn });
  const back = await send("ReceiveMessage", { QueueUrl, WaitTimeSeconds: 2 });
  assert.equal(back.Messages[0].Body, "poison");
  await send("DeleteMessage", { QueueUrl, ReceiptHandle: back.Messages[0].ReceiptHandle });
} else {
  assert.equal((await send("ReceiveMessage", { QueueUrl: dead })).Messages[0].Body, "poison");
}

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
// Query has no empty lists: an empty batch arrives as one entry without an id.
const empty = isQuery ? { Code: "MissingParameter" } : sdk.EmptyBatchRequest;
await assert.rejects(send("SendMessageBatch", { QueueUrl, Entries: [] }), empty);

console.log("done");
