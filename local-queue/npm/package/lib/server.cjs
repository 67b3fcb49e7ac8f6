'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Account, Faults } = require('./account.cjs');
const { findBinary } = require('./binary.cjs');
const { Endpoint, parse } = require('./endpoint.cjs');
const { LocalQueueError } = require('./errors.cjs');

/** What the server needs at most to end, beside the functions of a template, which have 8 seconds. */
const STOP_MS = 15_000;
/** How long after a connection is lost the end of the process may be heard of. */
const END_MS = 500;
/** What of the log stands in an error. */
const LOG_TAIL = 4_000;

/** Starts a server on a free port of 127.0.0.1 and waits until it answers. */
async function start(options = {}) {
  const { create = [], clock, account, region, binary = findBinary(), timeout = 30_000, cwd, env } = options;
  const passed = ['serve', '--listen', '127.0.0.1:0', '--until-stdin-closes', '--print-json'];
  for (const [option, value] of Object.entries({ clock, account, region })) {
    if (value !== undefined) passed.push(`--${option}`, value);
  }
  passed.push(...create.flatMap((name) => ['--create', name]), ...(options.arguments ?? []));
  const server = new Server(binary, passed, { cwd, env });
  return new LocalQueue(server, await server.started(timeout));
}

/** A server that runs, and the queues of its default account. */
class LocalQueue extends Account {
  #server;
  #accounts = 0;

  constructor(server, said) {
    const endpoint = new Endpoint(said.endpoint_url, () => server.whySilent());
    super(endpoint, said.account, said.region, new Faults(endpoint));
    this.#server = server;
    this.apis = said.apis;
  }

  get pid() {
    return this.#server.child.pid;
  }

  newAccount() {
    this.#accounts += 1;
    return this.ofAccount(String(this.#accounts).padStart(12, '0'));
  }

  ofAccount(account) {
    return new Account(this.endpoint, account, this.region, new Faults(this.endpoint, account));
  }

  async reset() {
    await this.endpoint.ask('POST', ['reset']);
  }

  log() {
    return this.#server.log();
  }

  stop() {
    return this.#server.stop();
  }

  [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    return this.stop();
  }
}

/** The process, which ends when its standard input is closed: by `stop`, or by the system with this process. */
class Server {
  constructor(binary, passed, { cwd, env }) {
    this.binary = binary;
    this.openLog();
    // In a session of its own Ctrl-C of a terminal does not reach it before its clients.
    const options = { stdio: ['pipe', 'pipe', this.logFile], detached: true, cwd, env: env && { ...process.env, ...env } };
    this.child = spawn(binary, passed, options);
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => resolve((this.failure = error)));
      this.child.once('exit', resolve);
    });
  }

  /** A file that has no name any more, and so is gone with the last process that has it open. */
  openLog() {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'local-queue-'));
    this.logFile = fs.openSync(path.join(folder, 'log'), 'w+');
    fs.rmSync(folder, { recursive: true });
  }

  /** Waits for its first line, in which it says what it is once it answers. */
  async started(timeout) {
    let said = '';
    let timer;
    const { stdout, stdin } = this.child;
    const line = new Promise((resolve) => {
      stdout.on('data', (piece) => {
        said += said.includes('\n') ? '' : piece;
        if (said.includes('\n')) resolve('ready');
      });
      timer = setTimeout(resolve, timeout, 'late');
    });
    const what = await Promise.race([line, this.ended.then(() => 'ended')]);
    clearTimeout(timer);
    const [first] = said.split('\n');
    const parsed = what === 'ready' ? parse(first) : undefined;
    if (!parsed) {
      const late = `it did not say within ${timeout / 1000} s where it listens`;
      const state = { late, ended: this.state(), ready: `its first line is not JSON: ${first}` }[what];
      const log = this.log().slice(-LOG_TAIL).trim();
      await this.kill();
      throw new LocalQueueError(`local-queue did not start: ${[state, log].filter(Boolean).join('\n')}`);
    }
    // None of it keeps this process from ending, with which the server ends.
    this.child.unref();
    stdin.unref();
    stdout.unref();
    return parsed;
  }

  state() {
    const { exitCode, signalCode } = this.child;
    if (this.failure) return `failed to run ${this.binary}: ${this.failure.message}`;
    if (signalCode !== null) return `${signalCode} killed it`;
    return exitCode === null ? 'it runs' : `it ended with exit code ${exitCode}`;
  }

  async whySilent() {
    // That a process has ended is heard of after its connections are gone.
    await Promise.race([this.ended, new Promise((resolve) => setTimeout(resolve, END_MS))]);
    const tail = this.log().slice(-LOG_TAIL).trim();
    return tail ? `${this.state()}, and wrote:\n${tail}` : this.state();
  }

  log() {
    if (this.logFile === undefined) return this.lastLog;
    const bytes = Buffer.alloc(fs.fstatSync(this.logFile).size);
    // By position: the file has one offset, and the server writes at it.
    return bytes.toString('utf8', 0, fs.readSync(this.logFile, bytes, 0, bytes.length, 0));
  }

  async stop() {
    if (this.logFile === undefined) return;
    this.child.ref();
    this.child.stdin.end();
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, STOP_MS, 'late')));
    const what = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    if (what === 'late') {
      await this.kill();
      throw new LocalQueueError(`local-queue did not end within ${STOP_MS / 1000} s and was killed`);
    }
    this.close();
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
    this.close();
  }

  close() {
    if (this.logFile === undefined) return;
    this.lastLog = this.log();
    fs.closeSync(this.logFile);
    this.logFile = undefined;
  }
}

module.exports = { LocalQueue, start };
