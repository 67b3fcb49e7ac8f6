'use strict';

/** Messages that one request for a look at them brings at most. */
const PAGE = 1_000;

/** The queues of one account of a server, which no other account sees. */
class Account {
  constructor(endpoint, account, region, faults) {
    this.endpoint = endpoint;
    this.account = account;
    this.region = region;
    this.faults = faults;
    Object.defineProperty(this, 'endpoint', { enumerable: false });
  }

  get url() {
    return this.endpoint.url;
  }

  get env() {
    return {
      AWS_ENDPOINT_URL: this.url,
      AWS_REGION: this.region,
      AWS_DEFAULT_REGION: this.region,
      AWS_ACCESS_KEY_ID: this.account,
      AWS_SECRET_ACCESS_KEY: 'local-queue',
    };
  }

  get clientConfig() {
    return {
      endpoint: this.url,
      region: this.region,
      credentials: { accessKeyId: this.account, secretAccessKey: 'local-queue' },
    };
  }

  call(action, members = {}) {
    return this.endpoint.call(action, this.account, this.region, members);
  }

  async createQueue(name, attributes = {}) {
    const values = Object.entries(attributes).map(([key, value]) => [key, attribute(value)]);
    const isFifo = name.endsWith('.fifo') ? { FifoQueue: 'true' } : {};
    const Attributes = { ...isFifo, ...Object.fromEntries(values) };
    return (await this.call('CreateQueue', { QueueName: name, Attributes })).QueueUrl;
  }

  async queues() {
    const { queues } = await this.endpoint.ask('GET', ['queues']);
    return queues.filter((queue) => queue.arn.split(':')[4] === this.account);
  }

  async peek(queue, { place, max = Infinity } = {}) {
    const { path, query } = this.#find(queue);
    const found = [];
    for (let skip = 0; skip !== null && found.length < max; ) {
      const page = { ...query, ...(place && { place }), skip, max: Math.min(PAGE, max - found.length) };
      const answer = await this.endpoint.ask('GET', [...path, 'messages'], { query: page });
      found.push(...answer.messages);
      skip = answer.next_skip;
    }
    return found;
  }

  locate(queue, messageId) {
    const { path, query } = this.#find(queue);
    return this.endpoint.ask('GET', [...path, 'messages', messageId], { query });
  }

  async advance(seconds) {
    await this.endpoint.ask('POST', ['clock', 'advance'], { body: { milliseconds: Math.round(seconds * 1000) } });
  }

  async now() {
    return new Date((await this.endpoint.ask('GET', ['clock'])).now);
  }

  async deleteQueues() {
    for (const { arn } of await this.queues()) {
      const [, , , region, account, name] = arn.split(':');
      await this.endpoint.call('DeleteQueue', account, region, { QueueUrl: `${this.url}/${account}/${name}` });
    }
  }

  /** The path of a queue, by its name or URL, in the developer's API, and its account and region. */
  #find(queue) {
    const [name, account] = queue.includes('://') ? queue.split('/').reverse() : [queue, this.account];
    return { path: ['queues', name], query: { account, region: this.region } };
  }
}

/** Injected faults, of one account or of all. */
class Faults {
  #endpoint;
  #account;

  constructor(endpoint, account) {
    this.#endpoint = endpoint;
    this.#account = account;
  }

  inject(effect, options = {}) {
    const queue = options.queue?.split('/').pop();
    return this.#endpoint.ask('POST', ['faults'], { body: { ...options, queue, account: this.#account, effect } });
  }

  async list() {
    const { faults } = await this.#endpoint.ask('GET', ['faults']);
    return faults.filter((fault) => this.#account === undefined || fault.account === this.#account);
  }

  async remove(fault) {
    const listed = await this.list();
    if (listed.some(({ id }) => id === fault.id)) await this.#endpoint.ask('DELETE', ['faults', String(fault.id)]);
  }

  async clear() {
    for (const fault of await this.list()) await this.remove(fault);
  }
}

function attribute(value) {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

module.exports = { Account, Faults };
