// The package as a program uses it: run by `node --test` in a folder where its tarballs are installed.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { pathToFileURL } from 'node:url';

const folder = process.env.PACKAGE_FOLDER ?? process.cwd();
const require = createRequire(path.join(folder, 'index.js'));
const { ActionError, LocalQueueError, findBinary, start } = await import(pathToFileURL(require.resolve('local-queue')));

/** Longer than anything here takes on a busy machine. */
const PATIENCE_MS = 60_000;

/** Whether a process is there and is not merely waited for by whoever adopted it. */
function isAlive(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !stat.slice(stat.lastIndexOf(')') + 1).trimStart().startsWith('Z');
  } catch {
    return false;
  }
}

async function until(condition, what) {
  for (const deadline = Date.now() + PATIENCE_MS; !condition(); await sleep(10)) {
    assert.ok(Date.now() < deadline, `never: ${what}`);
  }
}

/** A server that ends with the test. */
async function starting(t, options) {
  const queues = await start(options);
  t.after(() => queues.stop());
  return queues;
}

let made;
before(() => (made = fs.mkdtempSync(path.join(os.tmpdir(), 'local-queue-test-'))));
after(() => fs.rmSync(made, { recursive: true }));

function program(name, text) {
  const file = path.join(made, name);
  fs.writeFileSync(file, text, { mode: 0o755 });
  return file;
}

test('a message is delayed until the clock has advanced', async (t) => {
  const queues = await starting(t, { clock: 'manual', create: ['jobs', 'orders.fifo'] });
  assert.deepEqual((await queues.queues()).map(({ name }) => name), ['jobs', 'orders.fifo']);
  const QueueUrl = `${queues.url}/000000000000/jobs`;
  const { MessageId } = await queues.call('SendMessage', { QueueUrl, MessageBody: 'hello', DelaySeconds: 900 });
  const [message] = await queues.peek(QueueUrl);
  assert.deepEqual([message.place, message.why.reason], ['delayed', 'delayed']);
  const began = await queues.now();
  await queues.advance(899.5);
  assert.deepEqual(await queues.call('ReceiveMessage', { QueueUrl }), {});
  await queues.advance(0.5);
  assert.equal((await queues.now()) - began, 900_000);
  const [received] = (await queues.call('ReceiveMessage', { QueueUrl })).Messages;
  await queues.call('DeleteMessage', { QueueUrl, ReceiptHandle: received.ReceiptHandle });
  const left = await queues.locate('jobs', MessageId);
  assert.deepEqual([left.place, left.why.reason], ['gone', 'deleted']);
});

test('a queue is created with attributes as JavaScript has them', async (t) => {
  const queues = await starting(t);
  await queues.createQueue('dead.fifo');
  const RedrivePolicy = { deadLetterTargetArn: 'arn:aws:sqs:us-east-1:000000000000:dead.fifo', maxReceiveCount: 3 };
  const attributes = { ContentBasedDeduplication: true, VisibilityTimeout: 90, RedrivePolicy };
  const QueueUrl = await queues.createQueue('jobs.fifo', attributes);
  const { Attributes } = await queues.call('GetQueueAttributes', { QueueUrl, AttributeNames: ['All'] });
  assert.deepEqual([Attributes.VisibilityTimeout, Attributes.ContentBasedDeduplication], ['90', 'true']);
  assert.deepEqual(JSON.parse(Attributes.RedrivePolicy), RedrivePolicy);
});

test('messages are looked at in pages and by place', async (t) => {
  const queues = await starting(t, { create: ['jobs'] });
  for (let batch = 0; batch < 101; batch += 1) {
    const Entries = Array.from({ length: 10 }, (_, one) => ({ Id: `${one}`, MessageBody: `${batch} ${one}` }));
    await queues.call('SendMessageBatch', { QueueUrl: 'jobs', Entries });
  }
  await queues.call('ReceiveMessage', { QueueUrl: 'jobs', MaxNumberOfMessages: 5 });
  const count = async (options) => (await queues.peek('jobs', options)).length;
  assert.deepEqual(
    [await count(), await count({ place: 'in_flight' }), await count({ place: 'ready', max: 7 }), await count({ max: 0 })],
    [1010, 5, 7, 0],
  );
});

test('bytes are binary attributes', async (t) => {
  const queues = await starting(t, { create: ['jobs'] });
  for (const BinaryValue of [Buffer.from([0, 255]), new Uint8Array([0, 255])]) {
    const MessageAttributes = { key: { DataType: 'Binary', BinaryValue } };
    await queues.call('SendMessage', { QueueUrl: 'jobs', MessageBody: 'x', MessageAttributes });
  }
  for (const { attributes } of await queues.peek('jobs')) {
    assert.deepEqual(attributes, { key: { type: 'Binary', value: 'AP8=' } });
  }
});

test('faults strike and end', async (t) => {
  const queues = await starting(t, { create: ['jobs', 'other'] });
  const send = (QueueUrl) => queues.call('SendMessage', { QueueUrl, MessageBody: 'x' });
  const queue = `${queues.url}/000000000000/jobs`;
  const fault = await queues.faults.inject('throttle', { action: 'SendMessage', queue, times: 2 });
  await assert.rejects(send('jobs'), (error) => {
    assert.ok(error instanceof ActionError && error instanceof LocalQueueError);
    assert.deepEqual([error.action, error.code, error.status], ['SendMessage', 'RequestThrottled', 403]);
    return true;
  });
  await send('other');
  const lost = await queues.faults.inject('lost_response');
  await assert.rejects(queues.call('ListQueues'), /did not answer \(socket hang up\): it runs/);
  await queues.faults.remove(lost);
  await queues.faults.remove(lost);
  assert.deepEqual(await queues.faults.list(), [{ ...fault, times: 1, struck: 1 }]);
  await queues.faults.clear();
  assert.deepEqual(await queues.faults.list(), []);
  await assert.rejects(queues.faults.inject('latency'), /milliseconds: is missing/);
});

test('accounts do not see each other', async (t) => {
  const queues = await starting(t, { create: ['jobs'] });
  const [first, second] = [queues.newAccount(), queues.newAccount()];
  assert.equal(new Set([queues.account, first.account, second.account]).size, 3);
  const url = await first.createQueue('jobs');
  await first.call('SendMessage', { QueueUrl: url, MessageBody: 'of the first' });
  await second.createQueue('jobs');
  assert.deepEqual([await second.peek('jobs'), await queues.peek('jobs')], [[], []]);
  assert.equal((await second.peek(url))[0].body, 'of the first');
  await first.faults.inject('throttle');
  await second.faults.inject('internal_error', { action: 'ListQueues' });
  assert.equal((await second.call('GetQueueUrl', { QueueName: 'jobs' })).QueueUrl, `${queues.url}/${second.account}/jobs`);
  await assert.rejects(first.call('ListQueues'), /RequestThrottled/);
  await first.faults.clear();
  assert.equal((await queues.faults.list()).length, 1);
  await first.deleteQueues();
  assert.deepEqual([await first.queues(), (await second.queues()).length], [[], 1]);
  await queues.reset();
  assert.deepEqual([await second.queues(), await queues.faults.list()], [[], []]);
  assert.equal((await queues.queues()).length, 1);
});

test('two hundred tests at a time have each their own account', async (t) => {
  const queues = await starting(t);
  const one = async () => {
    const account = queues.newAccount();
    const QueueUrl = await account.createQueue('jobs');
    await account.call('SendMessage', { QueueUrl, MessageBody: account.account });
    const { Messages } = await account.call('ReceiveMessage', { QueueUrl });
    assert.deepEqual(Messages.map(({ Body }) => Body), [account.account]);
    return account.account;
  };
  assert.equal(new Set(await Promise.all(Array.from({ length: 200 }, one))).size, 200);
});

test('the JavaScript SDK finds it by its configuration and by the environment', async (t) => {
  const { SQSClient, ...sqs } = require('@aws-sdk/client-sqs');
  const queues = await starting(t, { create: ['jobs'], account: '111122223333', region: 'eu-west-1' });
  const client = new SQSClient(queues.clientConfig);
  const { QueueUrl } = await client.send(new sqs.GetQueueUrlCommand({ QueueName: 'jobs' }));
  assert.equal(QueueUrl, `${queues.url}/111122223333/jobs`);
  const saved = { ...process.env };
  t.after(() => (process.env = saved));
  Object.assign(process.env, queues.env);
  await new SQSClient().send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: 'hello' }));
  assert.equal((await queues.peek('jobs'))[0].body, 'hello');
});

test('stop ends the process, and what follows says so', async () => {
  const queues = await start();
  assert.ok(isAlive(queues.pid));
  await Promise.all([queues.stop(), queues.stop()]);
  await queues.stop();
  assert.ok(!isAlive(queues.pid));
  await assert.rejects(queues.queues(), /ECONNREFUSED.*: it ended with exit code 0/);
  assert.ok(queues.log().startsWith(`local-queue listens on ${queues.url} `), queues.log());
});

test('a server that was killed is told of', async (t) => {
  const queues = await starting(t);
  process.kill(queues.pid, 'SIGKILL');
  await until(() => !isAlive(queues.pid), 'it ends');
  await assert.rejects(queues.queues(), /SIGKILL killed it/);
});

test('what is asked in vain is named', async (t) => {
  const queues = await starting(t);
  await assert.rejects(queues.advance(1), /--clock manual/);
  await assert.rejects(queues.peek('a b/c'), /no queue .*:000000000000:a%20b%2Fc/);
});

test('why a server does not start is in the error', async () => {
  await assert.rejects(start({ arguments: ['--clokc'] }), /ended with exit code 2[^]*--clokc/);
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = `127.0.0.1:${taken.address().port}`;
  await assert.rejects(start({ arguments: ['--listen', address] }), new RegExp(`failed to listen on ${address}: .*in use`));
  taken.close();
  await assert.rejects(start({ binary: path.join(made, 'nothing') }), /failed to run .*nothing: .*ENOENT/);
  fs.writeFileSync(path.join(made, 'text'), 'no program');
  await assert.rejects(start({ binary: path.join(made, 'text') }), /failed to run .*text: .*EACCES/);
  const other = program('other', '#!/bin/sh\necho hello; exec cat\n');
  await assert.rejects(start({ binary: other }), /its first line is not JSON: hello/);
  const silent = program('silent', '#!/bin/sh\necho it waits >&2; exec sleep 1000\n');
  await assert.rejects(start({ binary: silent, timeout: 500 }), /did not say within 0.5 s where it listens\nit waits/);
});

test('the log of the server can be read while it runs and afterwards', async () => {
  const said = JSON.stringify({ endpoint_url: 'http://127.0.0.1:9', account: '000000000000', region: 'x', apis: {} });
  const lines = `echo '${said}'; echo one >&2; read line; echo two >&2`;
  const queues = await start({ binary: program('talks', `#!/bin/sh\n${lines}\n`) });
  await until(() => queues.log() === 'one\n', 'it writes its first line');
  await assert.rejects(queues.queues(), /it runs, and wrote:\none/);
  await queues.stop();
  assert.equal(queues.log(), 'one\ntwo\n');
});

test('the program is found, or what to install is named', async (t) => {
  const { stdout } = await promisify(execFile)(findBinary(), ['--version']);
  assert.match(stdout, /^local-queue /);
  t.after(() => delete process.env.LOCAL_QUEUE_BINARY);
  process.env.LOCAL_QUEUE_BINARY = path.join(made, 'nothing');
  await assert.rejects(start(), /LOCAL_QUEUE_BINARY names .*nothing, where there is no file/);
  delete process.env.LOCAL_QUEUE_BINARY;
  const alone = path.join(made, 'alone');
  fs.cpSync(path.join(folder, 'node_modules', 'local-queue'), alone, { recursive: true });
  const without = require(path.join(alone, 'index.cjs'));
  assert.throws(() => without.findBinary(), /the package local-queue-linux-\w+ is not installed/);
  const { platform } = process;
  t.after(() => Object.defineProperty(process, 'platform', { value: platform }));
  Object.defineProperty(process, 'platform', { value: 'sunos' });
  assert.throws(() => without.findBinary(), /there is no binary for sunos-\w+, only for linux-x64 and linux-arm64/);
});

test('the same package is an ES module and a CommonJS one', async () => {
  assert.equal(require('local-queue').start, start);
});

/** A Node process that starts a server and says its id. */
async function parent(after) {
  const script = `
    const { start } = require(${JSON.stringify(path.join(folder, 'node_modules', 'local-queue'))});
    start().then((queues) => { console.log(queues.pid); ${after} });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, pid: Number(line) };
}

test('no server outlives the process that started it, nor keeps it', async () => {
  for (const after of ['', 'process.exit(0)', 'process.kill(process.pid, "SIGKILL")']) {
    const { child, pid } = await parent(after);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await until(() => !isAlive(pid), `the server ends with its parent after ${after || 'the end of its work'}`);
  }
  const { child, pid } = await parent('process.stdin.resume()');
  assert.ok(isAlive(pid));
  child.kill('SIGKILL');
  await until(() => !isAlive(pid), 'the server ends with a parent that is killed');
});

/** `local-queue serve` as npm installs it, its id and its server's. */
async function command(t, ...given) {
  const bin = path.join(folder, 'node_modules', '.bin', 'local-queue');
  const child = spawn(bin, given, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  const url = /http:\/\/\S+/.exec(line)[0];
  const children = fs.readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'latin1').trim().split(' ');
  assert.equal(children.length, 1);
  return { child, url, pid: Number(children[0]) };
}

test('the command serves until it is asked to stop, with the exit code of the program', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    const { child, url, pid } = await command(t, 'serve', '--listen', '127.0.0.1:0');
    // Of the fetch of Node.js too, which is no page's.
    assert.equal((await (await fetch(`${url}/_local-queue/health`)).json()).status, 'ok');
    // As from a terminal and from npm, at once.
    child.kill(signal);
    child.kill(signal);
    assert.deepEqual(await once(child, 'exit'), [0, null], signal);
    assert.ok(!isAlive(pid));
  }
  const wrong = spawn(path.join(folder, 'node_modules', '.bin', 'local-queue'), ['serv'], { stdio: 'ignore' });
  assert.deepEqual(await once(wrong, 'exit'), [2, null]);
});

test('a command that is killed leaves no server', async (t) => {
  const { child, pid } = await command(t, 'serve', '--listen', '127.0.0.1:0');
  child.kill('SIGKILL');
  await until(() => !isAlive(pid), 'the server ends with the command');
});

test('npx runs the command', async () => {
  const options = { cwd: folder, env: { ...process.env, npm_config_offline: 'true' } };
  const { stdout } = await promisify(execFile)('npx', ['local-queue', '--version'], options);
  assert.match(stdout, /^local-queue /);
});
