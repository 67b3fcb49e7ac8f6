// The emulator as the JavaScript SDK v2 sees it: over Query (2.1400), or over JSON (2.1693). ENDPOINT is where it listens,
// and the argument is the package's name.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const require = createRequire(`${process.env.CLIENTS}/`);
const SQS = require(`${process.argv[2]}/clients/sqs`);

const sqs = new SQS({
  endpoint: process.env.ENDPOINT,
  region: "us-east-1",
  accessKeyId: "local",
  secretAccessKey: "local",
});
const send = (name, input) => sqs[name](input).promise();

// Create, send, receive, delete. The SDK itself checks the digests of bodies and attributes.
const { QueueUrl: dead } = await send("createQueue", { QueueName: "v2-dead", tags: { team: "photos" } });
assert.deepEqual((await send("listQueueTags", { QueueUrl: dead })).Tags, { team: "photos" });
const { Attributes } = await send("getQueueAttributes", { QueueUrl: dead, AttributeNames: ["QueueArn"] });
const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 1 });
const { QueueUrl } = await send("createQueue", { QueueName: "v2-jobs", Attributes: { RedrivePolicy } });
const color = { DataType: "String", StringValue: "r\u00f6d\r\n<&>" };
const blob = { DataType: "Binary", BinaryValue: Buffer.of(0, 255) };
const MessageBody = 'h\u00e4llo "w\u00f6rld" \r\n\t<&> \u{1f600}';
await send("sendMessage", { QueueUrl, MessageBody, MessageAttributes: { color, blob } });
const { Messages } = await send("receiveMessage", { QueueUrl, MessageAttributeNames: ["All"], WaitTimeSeconds: 1 });
assert.equal(Messages.length, 1);
assert.equal(Messages[0].Body, MessageBody);
assert.equal(Messages[0].MessageAttributes.color.StringValue, color.StringValue);
assert.deepEqual(Messages[0].MessageAttributes.blob.BinaryValue, blob.BinaryValue);
await send("deleteMessage", { QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle });

// A long poll ends when a message comes.
const waiting = send("receiveMessage", { QueueUrl: dead, WaitTimeSeconds: 20 });
await send("sendMessage", { QueueUrl: dead, MessageBody: "at last" });
const [late] = (await waiting).Messages;
assert.equal(late.Body, "at last");
await send("changeMessageVisibility", { QueueUrl: dead, ReceiptHandle: late.ReceiptHandle, VisibilityTimeout: 0 });
const [again] = (await send("receiveMessage", { QueueUrl: dead, AttributeNames: ["All"] })).Messages;
assert.equal(again.Attributes.ApproximateReceiveCount, "2");
await send("deleteMessage", { QueueUrl: dead, ReceiptHandle: again.ReceiptHandle });

// Batches, whose entries fail one by one.
const sent = await send("sendMessageBatch", {
  QueueUrl: dead,
  Entries: [
    { Id: "good", MessageBody: "good\r", MessageAttributes: { color } },
    { Id: "bad", MessageBody: "delayed for too long", DelaySeconds: 901 },
  ],
});
assert.deepEqual(sent.Successful.map((entry) => entry.Id), ["good"]);
assert.deepEqual(sent.Failed.map((entry) => [entry.Id, entry.SenderFault]), [["bad", true]]);
const [{ Body, ReceiptHandle }] = (await send("receiveMessage", { QueueUrl: dead })).Messages;
assert.equal(Body, "good\r");
const Entries = [{ Id: "good", ReceiptHandle }, { Id: "bad", ReceiptHandle: "garbage" }];
const deleted = await send("deleteMessageBatch", { QueueUrl: dead, Entries });
assert.deepEqual(deleted.Successful.map((entry) => entry.Id), ["good"]);
assert.deepEqual(deleted.Failed.map((entry) => [entry.Id, entry.Code]), [["bad", "ReceiptHandleIsInvalid"]]);

// A dead letter.
await send("sendMessage", { QueueUrl, MessageBody: "poison" });
await send("receiveMessage", { QueueUrl, VisibilityTimeout: 0 });
assert.deepEqual((await send("receiveMessage", { QueueUrl })).Messages ?? [], []);
assert.equal((await send("receiveMessage", { QueueUrl: dead })).Messages[0].Body, "poison");

// FIFO.
const fifo = await send("createQueue", { QueueName: "v2.fifo", Attributes: { FifoQueue: "true" } });
for (const [MessageGroupId, MessageBody] of [["a", "1"], ["b", "2"], ["a", "3"], ["a", "3"]]) {
  const MessageDeduplicationId = MessageBody;
  await send("sendMessage", { QueueUrl: fifo.QueueUrl, MessageBody, MessageGroupId, MessageDeduplicationId });
}
const inOrder = await send("receiveMessage", { QueueUrl: fifo.QueueUrl, MaxNumberOfMessages: 10 });
assert.deepEqual(inOrder.Messages.map((message) => message.Body), ["1", "3", "2"]);

// Errors are caught by code, which is the same over both protocols, but that Query has no empty lists: an empty batch
// arrives as one entry without an id.
const fails = (promise, code, statusCode) => assert.rejects(promise, { code, statusCode });
await fails(send("getQueueUrl", { QueueName: "v2-nothing" }), "AWS.SimpleQueueService.NonExistentQueue", 400);
await fails(send("deleteMessage", { QueueUrl, ReceiptHandle: "garbage" }), "ReceiptHandleIsInvalid", 404);
const other = send("createQueue", { QueueName: "v2-jobs", Attributes: { DelaySeconds: "7" } });
await fails(other, "QueueAlreadyExists", 400);
const empty = sqs.api.protocol === "query" ? "MissingParameter" : "AWS.SimpleQueueService.EmptyBatchRequest";
await fails(send("sendMessageBatch", { QueueUrl, Entries: [] }), empty, 400);

console.log("done");
