'use strict';

const http = require('node:http');
const { ActionError, LocalQueueError } = require('./errors.cjs');

/** Longer than the longest long poll. */
const TIMEOUT_MS = 60_000;

/** A server, and how to tell why it does not answer. Each request has a connection of its own. */
class Endpoint {
  constructor(url, whySilent) {
    this.url = url;
    this.whySilent = whySilent;
  }

  /** Asks the developer's API, under `/_local-queue/`. */
  async ask(method, path, { query, body } = {}) {
    let target = `/_local-queue/${path.map(encodeURIComponent).join('/')}`;
    if (query) target += `?${new URLSearchParams(query)}`;
    const answer = await this.send(method, target, { 'content-type': 'application/json' }, body);
    if (answer.status >= 400) {
      throw new LocalQueueError(answer.json?.error ?? `${method} ${target} was answered ${answer.status}: ${answer.text}`);
    }
    return answer.json;
  }

  /** Calls an action of SQS as an account, which a server that checks no signatures believes. */
  async call(action, account, region, members) {
    const answer = await this.send(
      'POST',
      '/',
      {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `AmazonSQS.${action}`,
        authorization: `AWS4-HMAC-SHA256 Credential=${account}/20260101/${region}/sqs/aws4_request`,
      },
      members,
    );
    if (answer.status >= 400) {
      const code = String(answer.json?.__type ?? answer.status).split('#').pop();
      throw new ActionError(action, answer.status, code, answer.json?.message ?? answer.text);
    }
    return answer.json ?? {};
  }

  async send(method, target, headers, body) {
    const { hostname, port } = new URL(this.url);
    try {
      return await new Promise((resolve, reject) => {
        const options = { hostname, port, method, path: target, headers, agent: false, timeout: TIMEOUT_MS };
        const request = http.request(options, (response) => {
          const pieces = [];
          response.on('data', (piece) => pieces.push(piece));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(pieces).toString().trim();
            resolve({ status: response.statusCode, text, json: parse(text) });
          });
        });
        request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
        request.on('error', reject);
        request.end(body === undefined ? undefined : JSON.stringify(body, encode));
      });
    } catch (error) {
      throw new LocalQueueError(`${this.url} did not answer (${error.message}): ${await this.whySilent()}`, { cause: error });
    }
  }
}

/** JSON, or undefined. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Binary attributes, as the protocol has them. A Buffer has become an object by its toJSON. */
function encode(key, value) {
  const original = this[key];
  return original instanceof Uint8Array ? Buffer.from(original).toString('base64') : value;
}

module.exports = { Endpoint, parse };
