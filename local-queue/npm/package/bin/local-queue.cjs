#!/usr/bin/env node
'use strict';

// Runs the program local-queue of this machine's package. `serve` does not outlive this process: its standard input is a
// pipe that the system closes with it.

const { spawn } = require('node:child_process');
const { constants } = require('node:os');
const { findBinary } = require('../lib/binary.cjs');

/** A terminal and npm may both send one Ctrl-C; the second signal of a person comes later than that. */
const ONE_SIGNAL_MS = 500;

const given = process.argv.slice(2);
const isServer = given[0] === 'serve';
const passed = isServer && !given.includes('--until-stdin-closes') ? [...given, '--until-stdin-closes'] : given;

let binary;
try {
  binary = findBinary();
} catch (error) {
  process.stderr.write(`local-queue: ${error.message}\n`);
  process.exit(2);
}
// A server is in a session of its own, so that a signal reaches it once, from here.
const child = spawn(binary, passed, { stdio: [isServer ? 'pipe' : 'inherit', 'inherit', 'inherit'], detached: isServer });
const sent = new Map();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    const now = Date.now();
    if (!(now - sent.get(signal) < ONE_SIGNAL_MS)) {
      sent.set(signal, now);
      child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
    }
  });
}
child.on('error', (error) => {
  process.stderr.write(`local-queue: failed to run ${binary}: ${error.message}\n`);
  process.exit(2);
});
child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
