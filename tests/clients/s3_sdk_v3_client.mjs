// Buckets as the JavaScript SDK v3 sees them. ENDPOINT is where the emulator listens.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { Readable } from "node:stream";

// The packages are installed elsewhere, so they are looked for from there.
const require = createRequire(`${process.env.CLIENTS}/`);
const sdk = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const client = new sdk.S3Client({
  endpoint: process.env.ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
  forcePathStyle: true,
});
const Bucket = "node-photos";
const send = (name, input) => client.send(new sdk[`${name}Command`]({ Bucket, ...input }));

await send("CreateBucket");
const Key = "a b+c/h\u00e4llo\u{1f600}.txt";
await send("PutObject", { Key, Body: "meow", ContentType: "text/plain", Metadata: { owner: "me" } });
const found = await send("GetObject", { Key });
assert.equal(await found.Body.transformToString(), "meow");
assert.deepEqual([found.ContentType, found.Metadata], ["text/plain", { owner: "me" }]);

for (const key of ["a//b", "dir/", "percent%20 + ?&=.txt"]) {
  await send("PutObject", { Key: key, Body: key });
  assert.equal(await (await send("GetObject", { Key: key })).Body.transformToString(), key);
  const listed = await send("ListObjectsV2", { Prefix: key });
  assert.deepEqual(listed.Contents.map((entry) => entry.Key), [key]);
  await send("DeleteObject", { Key: key });
}

// A stream of which nobody knows the length is sent in parts.
const film = randomBytes(20_000_000);
const pieces = Readable.from((function* () {
  for (let at = 0; at < film.length; at += 100_000) yield film.subarray(at, at + 100_000);
})());
await new Upload({ client, params: { Bucket, Key: "film", Body: pieces } }).done();
assert.ok(film.equals(await (await send("GetObject", { Key: "film" })).Body.transformToByteArray()));
// One of known length comes in chunks with a checksum behind them.
const ContentLength = 300_000;
await send("PutObject", { Key: "stream", Body: Readable.from([film.subarray(0, ContentLength)]), ContentLength });
assert.equal((await send("HeadObject", { Key: "stream" })).ContentLength, ContentLength);

const keys = [];
for await (const page of sdk.paginateListObjectsV2({ client, pageSize: 1 }, { Bucket })) {
  keys.push(...page.Contents.map((entry) => entry.Key));
}
assert.deepEqual(keys, [Key, "film", "stream"]);
await assert.rejects(send("GetObject", { Key: "none" }), { name: "NoSuchKey" });
await assert.rejects(send("PutObject", { Key, Body: "x", IfNoneMatch: "*" }), { name: "PreconditionFailed" });
const url = await getSignedUrl(client, new sdk.PutObjectCommand({ Bucket, Key: "signed" }));
assert.equal((await fetch(url, { method: "PUT", body: "presigned" })).status, 200);
assert.equal(await (await send("GetObject", { Key: "signed" })).Body.transformToString(), "presigned");

const Objects = [...keys, "signed"].map((Key) => ({ Key }));
assert.equal((await send("DeleteObjects", { Delete: { Objects } })).Deleted.length, 4);
await send("DeleteBucket");
console.log("done");
