// The emulator as sqs-consumer and sqs-producer see it, and NestJS, which is built on both. ENDPOINT is where it listens.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.CLIENTS}/`);
const sdk = require("@aws-sdk/client-sqs");
const { Consumer } = await import(require.resolve("sqs-consumer"));
const { Producer } = require("sqs-producer");
require("reflect-metadata");
const { Module } = require("@nestjs/common");
const { NestFactory } = require("@nestjs/core");
const { SqsMessageHandler, SqsModule, SqsService } = require("@ssut/nestjs-sqs");

const sqs = new sdk.SQSClient({
  endpoint: process.env.ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
});
const send = (name, input) => sqs.send(new sdk[`${name}Command`](input));
const create = async (QueueName, Attributes) => (await send("CreateQueue", { QueueName, Attributes })).QueueUrl;

// What cannot be handled comes back, and at last goes to the dead-letter queue; all else is deleted.
const dead = await create("consumer-dead");
const { Attributes } = await send("GetQueueAttributes", { QueueUrl: dead, AttributeNames: ["QueueArn"] });
const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: Attributes.QueueArn, maxReceiveCount: 2 });
const queueUrl = await create("consumer-jobs", { RedrivePolicy });
const producer = Producer.create({ queueUrl, sqs });
const handled = [];
const consumer = Consumer.create({
  queueUrl,
  sqs,
  batchSize: 10,
  waitTimeSeconds: 20,
  terminateVisibilityTimeout: true,
  handleMessage: async (message) => {
    handled.push(message.Body);
    if (message.Body === "b\u00e4d\r") throw new Error("cannot be handled");
    return message;
  },
});
consumer.on("processing_error", () => {});
consumer.on("error", () => {}); // of the receive that the end aborts
consumer.start();
const bodies = [...Array.from({ length: 12 }, (_, number) => `body ${number}`), "b\u00e4d\r"];
assert.equal((await producer.send(bodies.map((body, number) => ({ id: `${number}`, body })))).length, 13);
const [letter] = (await send("ReceiveMessage", { QueueUrl: dead, WaitTimeSeconds: 20 })).Messages;
assert.equal(letter.Body, "b\u00e4d\r");
while (await producer.queueSize() > 0 || handled.length < 14) await once(consumer, "response_processed");
const stopped = once(consumer, "stopped");
consumer.stop({ abort: true });
await stopped;
assert.deepEqual(handled.sort(), [...bodies, "b\u00e4d\r"].sort());

// A batch of which one entry fails.
const messageAttributes = { count: { DataType: "Number", StringValue: "three" } };
const refused = producer.send([{ id: "good", body: "good" }, { id: "bad", body: "bad", messageAttributes }]);
await assert.rejects(refused, (error) => error.failedMessages.join() === "bad");

// A NestJS application with a producer and a batch consumer of a FIFO queue.
const fifo = await create("nest.fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" });
const received = [];
let done;
const finished = new Promise((resolve) => (done = resolve));
class Handler {
  async handle(messages) {
    received.push(...messages.map((message) => JSON.parse(message.Body).number));
    if (received.length === 3) done();
  }
}
const description = Object.getOwnPropertyDescriptor(Handler.prototype, "handle");
SqsMessageHandler("jobs", true)(Handler.prototype, "handle", description);
class Application {}
Module({
  imports: [
    SqsModule.register({
      consumers: [{ name: "jobs", queueUrl: fifo, sqs, batchSize: 10, waitTimeSeconds: 1, suppressFifoWarning: true }],
      producers: [{ name: "jobs", queueUrl: fifo, sqs }],
    }),
  ],
  providers: [Handler],
})(Application);
const application = await NestFactory.createApplicationContext(Application, { logger: ["error"] });
const service = application.get(SqsService);
for (const number of [1, 2, 3]) {
  await service.send("jobs", { id: `${number}`, body: { number }, groupId: "a" });
}
await finished;
await application.close();
assert.deepEqual(received, [1, 2, 3]);
const left = await service.getQueueAttributes("jobs");
assert.equal(left.FifoQueue, "true");

console.log("done");
process.exit(0);
