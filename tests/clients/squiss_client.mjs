// The emulator as squiss-ts sees it. ENDPOINT is where it listens, S3_ENDPOINT where an S3 server does, which has the
// bucket "payloads".

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const { Squiss } = require("squiss-ts");
const { SQS } = require("@aws-sdk/client-sqs");
const { S3 } = require("@aws-sdk/client-s3");

const access = { region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } };
const squiss = new Squiss({
  SQS: new SQS({ ...access, endpoint: process.env.ENDPOINT }),
  S3: new S3({ ...access, endpoint: process.env.S3_ENDPOINT, forcePathStyle: true }),
  queueName: "squiss-jobs",
  bodyFormat: "json",
  receiveWaitTimeSecs: 20,
  deleteWaitMs: 10,
  maxInFlight: 15,
  s3Fallback: true,
  s3Bucket: "payloads",
  minS3Size: 1_000,
});
await squiss.createQueue();
squiss.on("error", (error) => { throw error; });

// Twelve messages go in two batches; one is so large that it goes by S3, and one is let go once.
const sent = Array.from({ length: 12 }, (_, number) => ({ number, word: number === 5 ? "\u00e4".repeat(1_000) : "w\r\n" }));
let deleted = 0;
let released = 0;
const bodies = new Map();
const all = new Promise((resolve) => squiss.on("deleted", () => ++deleted === 12 && resolve()));
squiss.on("message", async (message) => {
  if (message.body.number === 3 && released++ === 0) return message.release();
  bodies.set(message.body.number, message.body);
  assert.deepEqual(message.attributes, { color: "r\u00f6d", count: 3 });
  await message.del();
});
await squiss.start();
const { Successful } = await squiss.sendMessages(sent, 0, { color: "r\u00f6d", count: 3 });
assert.equal(Successful.length, 12);
await all;
assert.equal(released, 2);
assert.deepEqual(sent.map(({ number }) => bodies.get(number)), sent);
const aborted = once(squiss, "aborted");
await squiss.stop();
await aborted;
await squiss.deleteQueue();

console.log("done");
process.exit(0);
