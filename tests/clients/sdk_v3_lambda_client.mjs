// Lambda's API as the JavaScript SDK v3 sees it. ENDPOINT is where it listens, and the argument is the package's name.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

// The packages are installed elsewhere, so they are looked for from there.
const require = createRequire(`${process.env.CLIENTS}/`);
const sdk = require(process.argv[2]);
const sqs = require("@aws-sdk/client-sqs");

const settings = {
  endpoint: process.env.ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "local", secretAccessKey: "secret" },
  maxAttempts: 1,
};
const client = new sdk.LambdaClient(settings);
const send = (name, input) => client.send(new sdk[`${name}Command`](input));
const queues = new sqs.SQSClient(settings);
const sendToSqs = (name, input) => queues.send(new sqs[`${name}Command`](input));
const refused = (promise, name) => assert.rejects(promise, (error) => error.name === name);

// Invoke.
const reply = await send("Invoke", { FunctionName: "echo", Payload: JSON.stringify({ a: "\u{1f600}" }), LogType: "Tail" });
assert.deepEqual(JSON.parse(new TextDecoder().decode(reply.Payload)), { a: "\u{1f600}" });
assert.deepEqual([reply.StatusCode, reply.ExecutedVersion, reply.FunctionError], [200, "$LATEST", undefined]);
const failed = await send("Invoke", { FunctionName: "echo", Payload: '{"fail": 1}' });
assert.equal(failed.FunctionError, "Unhandled");
assert.equal((await send("Invoke", { FunctionName: "echo", InvocationType: "Event", Payload: "{}" })).StatusCode, 202);
await refused(send("Invoke", { FunctionName: "nobody" }), "ResourceNotFoundException");
await refused(send("PublishVersion", { FunctionName: "echo" }), "NotImplemented");

// A mapping.
const { QueueUrl } = await sendToSqs("CreateQueue", { QueueName: "node-lambda" });
const EventSourceArn = "arn:aws:sqs:us-east-1:000000000000:node-lambda";
const created = await send("CreateEventSourceMapping", { EventSourceArn, FunctionName: "echo", BatchSize: 3 });
assert.equal(created.State, "Creating");
assert.ok(created.LastModified instanceof Date && created.LastModified.getFullYear() >= 2020);
const { UUID } = created;
await refused(send("CreateEventSourceMapping", { EventSourceArn, FunctionName: "echo" }), "ResourceConflictException");
await sendToSqs("SendMessage", { QueueUrl, MessageBody: "hello" });
const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
const isEmpty = async () => {
  const { Attributes } = await sendToSqs("GetQueueAttributes", { QueueUrl, AttributeNames });
  return Object.values(Attributes).every((count) => count === "0");
};
while (!(await isEmpty())) {}
const { EventSourceMappings } = await send("ListEventSourceMappings", { FunctionName: "echo" });
assert.deepEqual(EventSourceMappings.map((it) => it.UUID), [UUID]);
assert.equal((await send("UpdateEventSourceMapping", { UUID, Enabled: false })).State, "Disabling");
while ((await send("GetEventSourceMapping", { UUID })).State !== "Disabled") {}
assert.equal((await send("DeleteEventSourceMapping", { UUID })).State, "Deleting");
await refused(send("GetEventSourceMapping", { UUID }), "ResourceNotFoundException");

// Requests that must be signed.
const signed = new sdk.LambdaClient({ ...settings, endpoint: process.env.SIGNED_ENDPOINT });
const { Functions } = await signed.send(new sdk.ListFunctionsCommand({ MaxItems: 10 }));
assert.deepEqual(Functions.map((it) => it.FunctionName), ["echo"]);
console.log("done");
