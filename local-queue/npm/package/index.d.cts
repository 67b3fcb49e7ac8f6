/// <reference lib="esnext.disposable" />

/** Where a message of a queue is. */
export type Place = 'ready' | 'delayed' | 'in_flight';

/** What a fault does: see the section Faults of local-queue's README. */
export type Effect =
  | 'throttle'
  | 'throttling_exception'
  | 'internal_error'
  | 'service_unavailable'
  | 'lost_response'
  | 'duplicate_delivery'
  | 'reordering'
  | 'latency'
  | 'partial_failure';

export interface StartOptions {
  /** Queues to create at start, in the default account. */
  create?: readonly string[];
  /** `manual` stops the clock, which `advance` moves. Default: `system`. */
  clock?: 'system' | 'manual';
  /** The default account, of 12 digits. Default: `000000000000`. */
  account?: string;
  /** The region. Default: `us-east-1`. */
  region?: string;
  /** Further arguments of `local-queue serve`, such as `['--template', 'template.yaml']`. */
  arguments?: readonly string[];
  /** The program. Default: that of this machine's package, or `LOCAL_QUEUE_BINARY`. */
  binary?: string;
  /** Milliseconds that the start may take. Default: 30,000. */
  timeout?: number;
  /** The server's working directory. */
  cwd?: string;
  /** Environment variables of the server beside those of this process. */
  env?: Readonly<Record<string, string>>;
}

/** Why a message is where it is: a name, a sentence, and what belongs to the name. Times are milliseconds since 1970. */
export interface Why {
  reason: string;
  text: string;
  until?: number;
  at?: number;
  to?: string;
  message_id?: string;
  receive?: number;
  received_at?: number;
  attempt_id?: string | null;
  blocked_by?: string;
  blocked_by_place?: Place;
  next?: string;
  in_flight?: number;
  in_flight_total?: number;
  in_flight_max?: number;
  dead_letter_queue?: string;
  max_receive_count?: number;
}

/** A message in a queue. Times are milliseconds since 1970. */
export interface Message {
  message_id: string;
  place: Place;
  body: string;
  attributes: Record<string, { type: string; value: string }>;
  sent_at: number;
  visible_at: number;
  why: Why;
  receive_count: number;
  first_received_at: number | null;
  group_id: string | null;
  deduplication_id: string | null;
  sequence_number: string | null;
  dead_letter_source: string | null;
  trace_header: string | null;
}

/** A message that has left its queue. */
export interface DepartedMessage {
  message_id: string;
  place: 'gone';
  receive_count: number;
  why: Why;
}

/** A queue, with the number of its messages in each place. */
export interface Queue {
  name: string;
  arn: string;
  ready: number;
  delayed: number;
  in_flight: number;
}

export interface FaultOptions {
  /** Only requests of this action, by its name in SQS. */
  action?: string;
  /** Only requests about this queue, by its name or URL. */
  queue?: string;
  /** Only so many times; then the fault is gone. */
  times?: number;
  /** Only with this probability, from 0 to 1. */
  probability?: number;
  /** Of `latency`. */
  milliseconds?: number;
  /** Of `partial_failure`: the share of a batch's entries that fail, from 0 to 1. */
  share?: number;
  /** Of `partial_failure`: the ids of the entries that fail. */
  entries?: readonly string[];
}

/** A fault at work. */
export interface Fault extends FaultOptions {
  id: number;
  effect: Effect;
  account?: string;
  /** How often it had struck. */
  struck: number;
}

/** Injected faults, of one account or of all. */
export interface Faults {
  inject(effect: Effect, options?: FaultOptions): Promise<Fault>;
  /** The faults at work. One that has struck for the last time is gone. */
  list(): Promise<Fault[]>;
  /** Ends a fault, if it has not ended already. */
  remove(fault: Pick<Fault, 'id'>): Promise<void>;
  clear(): Promise<void>;
}

/** The queues of one account of a server, which no other account sees. The clock is the server's. */
export interface Account {
  /** The endpoint URL for any AWS SDK. */
  readonly url: string;
  /** The 12 digits of the account, which are its access key id too. */
  readonly account: string;
  readonly region: string;
  readonly faults: Faults;
  /** The environment variables by which AWS SDKs and the AWS CLI find the server. */
  readonly env: Record<
    'AWS_ENDPOINT_URL' | 'AWS_REGION' | 'AWS_DEFAULT_REGION' | 'AWS_ACCESS_KEY_ID' | 'AWS_SECRET_ACCESS_KEY',
    string
  >;
  /** The configuration of a client: `new SQSClient(queues.clientConfig)`. */
  readonly clientConfig: {
    endpoint: string;
    region: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
  };
  /** Calls an action of SQS without an SDK: `call('SendMessage', { QueueUrl, MessageBody: 'hello' })`. */
  call(action: string, members?: Readonly<Record<string, unknown>>): Promise<any>;
  /** Creates a queue, a FIFO queue if the name ends in `.fifo`, and resolves to its URL. */
  createQueue(name: string, attributes?: Readonly<Record<string, string | number | boolean | object>>): Promise<string>;
  /** The queues of the account, in all regions. */
  queues(): Promise<Queue[]>;
  /** Looks at the messages of a queue, by its name or URL, without receiving them. */
  peek(queue: string, options?: { place?: Place; max?: number }): Promise<Message[]>;
  /** Says where a message is and why, also how it left the queue if it is among the last 8,192 that left one. */
  locate(queue: string, messageId: string): Promise<Message | DepartedMessage>;
  /** Moves the clock of a server with `clock: 'manual'`; what becomes due has happened when it resolves. */
  advance(seconds: number): Promise<void>;
  /** The time of the server. */
  now(): Promise<Date>;
  /** Deletes all queues of the account. SQS lets nobody use their names again for 60 seconds. */
  deleteQueues(): Promise<void>;
}

/** A server that runs, and the queues of its default account. */
export interface LocalQueue extends Account, AsyncDisposable {
  /** The id of the server's process. */
  readonly pid: number;
  /** The URLs of the APIs of a template, by their ids. */
  readonly apis: Record<string, string>;
  /** An account that nobody has used: its queues, and the faults that it injects, are its own. */
  newAccount(): Account;
  /** The queues of an account of 12 digits. */
  ofAccount(account: string): Account;
  /** Forgets every queue and fault of all accounts; those that were declared at start are made anew. */
  reset(): Promise<void>;
  /** What the server has written to standard error: warnings, and the log of a template's functions. */
  log(): string;
  /** Ends the server; a second time does nothing. */
  stop(): Promise<void>;
}

/** Any error of this package. */
export declare class LocalQueueError extends Error {}

/** SQS refused an action. */
export declare class ActionError extends LocalQueueError {
  readonly action: string;
  readonly status: number;
  /** The name that SQS has for the reason, such as `QueueDoesNotExist`. */
  readonly code: string;
}

/** The path of the program: what `LOCAL_QUEUE_BINARY` names, else that of this machine's package. */
export declare function findBinary(): string;

/**
 * Starts a server on a free port of 127.0.0.1 and resolves when it answers. It ends with `stop`, and when this process ends,
 * even if it is killed; it does not keep this process from ending.
 */
export declare function start(options?: StartOptions): Promise<LocalQueue>;
