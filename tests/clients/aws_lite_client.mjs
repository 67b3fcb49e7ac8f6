// The emulator as aws-lite sees it, which speaks both protocols at once. ENDPOINT is where it listens.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const { default: awsLite } = await import(require.resolve("@aws-lite/client"));
const plugin = await import(require.resolve("@aws-lite/sqs"));

const { hostname: host, port } = new URL(process.env.ENDPOINT);
const { SQS } = await awsLite({
  accessKeyId: "local",
  secretAccessKey: "local",
  region: "us-east-1",
  protocol: "http",
  host,
  port,
  plugins: [plugin],
});

// It creates no queues yet, so this does what its users do, by hand.
const created = await fetch(process.env.ENDPOINT, {
  method: "POST",
  headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.CreateQueue" },
  body: JSON.stringify({ QueueName: "lite-jobs" }),
});
const { QueueUrl } = await created.json();

const MessageBody = 'h\u00e4llo "w\u00f6rld" \r\n<&> \u{1f600}';
const { MessageId } = await SQS.SendMessage({ QueueUrl, MessageBody });
const { Messages } = await SQS.ReceiveMessage({ QueueUrl, AttributeNames: ["All"], WaitTimeSeconds: 1 });
assert.equal(Messages.length, 1);
assert.equal(Messages[0].Body, MessageBody);
assert.equal(Messages[0].MessageId, MessageId);
assert.equal(Messages[0].Attributes.ApproximateReceiveCount, "1");
await SQS.DeleteMessage({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle });
const { Attributes } = await SQS.GetQueueAttributes({ QueueUrl, AttributeNames: ["All"] });
assert.equal(Attributes.ApproximateNumberOfMessages, "0");
assert.equal(Attributes.ApproximateNumberOfMessagesNotVisible, "0");

// Errors, over Query and over JSON.
const missing = `${process.env.ENDPOINT}/000000000000/lite-nothing`;
await assert.rejects(
  SQS.SendMessage({ QueueUrl: missing, MessageBody }),
  (error) => error.code === "AWS.SimpleQueueService.NonExistentQueue" && error.statusCode === 400,
);
await assert.rejects(
  SQS.ReceiveMessage({ QueueUrl: missing }),
  (error) => error.code === "QueueDoesNotExist" && error.statusCode === 400,
);

console.log("done");
