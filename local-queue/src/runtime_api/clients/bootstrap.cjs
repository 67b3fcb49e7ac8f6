// Runs the handler of a Lambda function by the Runtime API, as the Node.js runtime of AWS does.
//
//     node bootstrap.cjs HANDLER
//
// The module is looked for in the working directory. What it imports is also looked for where NODE_PATH says, for ES modules
// as well as for CommonJS.

"use strict";

// As little as possible is loaded before the first invocation: neither the loader of ES modules, unless the function is one,
// nor http, which takes longer than all else here.
const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const util = require("node:util");

const API = "/2018-06-01/runtime";
const IS_JSON = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === "JSON";
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
// Other libraries of AWS know these symbols.
const REQUEST_ID = Symbol.for("aws.lambda.runtime.requestId");
const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");

/** What the runtime, not the function, has to say: a class for each type, which the error's name and stack begin with. */
function fault(name) {
    const type = { [name]: class extends Error {} }[name];
    type.prototype.name = `Runtime.${name}`;
    return type;
}

const HandlerNotFound = fault("HandlerNotFound");
const ImportModuleError = fault("ImportModuleError");
const MalformedHandlerName = fault("MalformedHandlerName");
const UserCodeSyntaxError = fault("UserCodeSyntaxError");
const UnhandledPromiseRejection = fault("UnhandledPromiseRejection");

// --- Errors, as they are reported and as they are logged ---

function looksLikeAnError(value) {
    const texts = [value?.name, value?.message, value?.stack];
    return util.types.isNativeError(value) || texts.every((text) => typeof text === "string" && text !== "");
}

function report(error) {
    try {
        if (looksLikeAnError(error)) {
            const plain = (text) => text?.replaceAll("\x7F", "%7F");
            const trace = plain(error.stack).split("\n");
            return { errorType: plain(error.name), errorMessage: plain(error.message), trace };
        }
        return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
    } catch {
        const text = "callback called with Error argument, but there was a problem while retrieving one or more of its";
        return { errorType: "handled", errorMessage: `${text} message, name, and stack` };
    }
}

function intoError(value) {
    return value instanceof Error ? value : new Error(value);
}

/** An error with what it carries beside its message. */
function withItsFields(_, value) {
    if (!(value instanceof Error)) {
        return value;
    }
    const fields = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
    return typeof value.stack === "string" ? { ...fields, stack: value.stack.split("\n") } : fields;
}

function logError(title, error) {
    const value = intoError(error);
    if (IS_JSON) {
        console.error(value);
        return;
    }
    let text;
    try {
        text = JSON.stringify(value, withItsFields);
    } catch {
        text = JSON.stringify(report(value));
    }
    console.error(title, `\t${text}`);
}

// --- The console ---

function stackOf(error) {
    return typeof error.stack === "string" ? error.stack.split("\n") : error.stack;
}

function typeOf(error) {
    return error.constructor?.name ?? "UnknownError";
}

function jsonLine(level, parameters) {
    const line = { timestamp: new Date().toISOString(), level, requestId: globalThis[REQUEST_ID] };
    if (parameters.length === 1) {
        const asDocument = (_, value) =>
            value instanceof Error
                ? { errorType: typeOf(value), errorMessage: value.message, stackTrace: stackOf(value), ...value }
                : value;
        try {
            return JSON.stringify({ ...line, message: parameters[0] }, asDocument);
        } catch {
            return JSON.stringify({ ...line, message: util.format(parameters[0]) });
        }
    }
    line.message = util.format(...parameters);
    const error = parameters.find((parameter) => parameter instanceof Error);
    if (error !== undefined) {
        line.errorType = typeOf(error);
        line.errorMessage = error.message;
        line.stackTrace = stackOf(error) ?? [];
    }
    return JSON.stringify(line);
}

function textLine(level, parameters) {
    return `${new Date().toISOString()}\t${globalThis[REQUEST_ID]}\t${level}\t${util.format(...parameters)}`;
}

function patchConsole() {
    const lineOf = IS_JSON ? jsonLine : textLine;
    // The lines of a message are one event: a carriage return parts them.
    const logAs = (level) => (message, ...parameters) => {
        const line = lineOf(level, [message, ...parameters]).replaceAll("\n", "\r");
        process.stdout.write(`${line}\n`);
    };
    const lowest = Math.max(LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()), 0);
    LEVELS.forEach((level, number) => {
        console[level.toLowerCase()] = number >= lowest || level === "FATAL" ? logAs(level) : () => {};
    });
    console.log = console.info;
}

// --- The Runtime API ---

/** The Runtime API over one connection, on which one request is under way at a time. */
class RuntimeApi {
    #parts = [];
    #size = 0;
    // So much has to be there before it is looked at again.
    #needed = 1;
    #waiting;

    constructor(address) {
        this.address = address;
        const [host, port] = address.split(":");
        this.socket = net.connect({ host, port: Number(port), noDelay: true });
        this.socket.on("data", (part) => {
            this.#parts.push(part);
            this.#size += part.length;
            if (this.#size >= this.#needed) {
                this.#answer();
            }
        });
        const fail = (error) => this.#end((waiting) => waiting.reject(error));
        this.socket.on("error", fail);
        this.socket.on("close", () => fail(new Error("the Runtime API has closed the connection")));
    }

    #call(method, path, body, headers) {
        return new Promise((resolve, reject) => {
            this.#waiting = { resolve, reject };
            // A connection without a request keeps no process alive, so that one that has nothing left to do is noticed.
            this.socket.ref();
            const lines = [`${method} ${API}${path} HTTP/1.1`, `Host: ${this.address}`];
            for (const [name, value] of Object.entries({ ...headers, "Content-Length": Buffer.byteLength(body) })) {
                lines.push(`${name}: ${value}`);
            }
            this.socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
        });
    }

    /** Ends the request, if its whole answer has been received. */
    #answer() {
        const received = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
        this.#parts = [received];
        const end = received.indexOf("\r\n\r\n");
        if (end < 0) {
            return;
        }
        const [first, ...lines] = received.toString("latin1", 0, end).split("\r\n");
        const headers = {};
        for (const line of lines) {
            const colon = line.indexOf(":");
            headers[line.substring(0, colon).toLowerCase()] = line.substring(colon + 1).trim();
        }
        const length = Number(headers["content-length"] ?? 0);
        const start = end + 4;
        this.#needed = start + length;
        if (received.length < this.#needed) {
            return;
        }
        const body = received.subarray(start, this.#needed);
        this.#parts = [received.subarray(this.#needed)];
        this.#size = this.#parts[0].length;
        this.#needed = 1;
        this.#end((waiting) => waiting.resolve({ status: Number(first.split(" ")[1]), headers, body }));
    }

    #end(settle) {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        this.socket.unref();
        if (waiting !== undefined) {
            settle(waiting);
        }
    }

    async next() {
        const { status, headers, body } = await this.#call("GET", "/invocation/next", "", {});
        if (status !== 200) {
            throw new Error(`the Runtime API answered ${status} to a request for the next invocation: ${body}`);
        }
        return { headers, body };
    }

    async #post(path, body, headers) {
        await this.#call("POST", path, body, { "Content-Type": "application/json", ...headers });
    }

    reply(id, body) {
        return this.#post(`/invocation/${encodeURIComponent(id)}/response`, body);
    }

    fail(id, error) {
        return this.#post(`/invocation/${encodeURIComponent(id)}/error`, JSON.stringify(report(error)));
    }

    failInit(error) {
        const body = report(error);
        const headers = { "Lambda-Runtime-Function-Error-Type": body.errorType };
        return this.#post("/init/error", JSON.stringify(body), headers);
    }
}

function serialised(reply) {
    try {
        return JSON.stringify(reply === undefined ? null : reply) ?? "";
    } catch {
        throw new Error("Unable to stringify response body");
    }
}

// --- The handler ---

/** Lets ES modules find packages in the folders of NODE_PATH, as in Lambda; Node itself looks there for CommonJS only. */
function importFromNodePath() {
    const folders = (process.env.NODE_PATH ?? "").split(path.delimiter);
    const parents = folders.filter((folder) => path.basename(folder) === "node_modules" && fs.existsSync(folder));
    if (parents.length === 0) {
        return;
    }
    const nodeModule = require("node:module");
    if (nodeModule.register === undefined) {
        return;
    }
    const { pathToFileURL } = require("node:url");
    const places = parents.map((folder) => pathToFileURL(path.join(path.dirname(folder), "import.mjs")).href);
    const hook = `
        const places = ${JSON.stringify(places)};
        const isPackage = (specifier) => !/^(\\.{0,2}\\/|[a-z]+:|#)/.test(specifier);
        export async function resolve(specifier, context, next) {
            try {
                return await next(specifier, context);
            } catch (error) {
                if (error?.code !== "ERR_MODULE_NOT_FOUND" || !isPackage(specifier)) throw error;
                for (const parentURL of places) {
                    try {
                        return await next(specifier, { ...context, parentURL });
                    } catch {}
                }
                throw error;
            }
        }`;
    nodeModule.register(`data:text/javascript,${encodeURIComponent(hook)}`);
}

/** Whether the nearest package.json says that .js files are ES modules. */
function isModuleFolder(folder) {
    if (folder.endsWith("/node_modules")) {
        return false;
    }
    const file = path.join(folder, "package.json");
    if (fs.existsSync(file)) {
        try {
            return JSON.parse(fs.readFileSync(file, "utf8"))?.type === "module";
        } catch (error) {
            console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
            return false;
        }
    }
    const above = path.dirname(folder);
    return above !== folder && isModuleFolder(above);
}

async function importModule(root, folder, name) {
    const base = path.resolve(root, folder, name);
    const required = (file) => (fs.existsSync(file) ? require(file) : undefined);
    const { pathToFileURL } = require("node:url");
    const imported = async (file) => (fs.existsSync(file) ? import(pathToFileURL(file).href) : undefined);
    const isModule = fs.existsSync(`${base}.js`) && isModuleFolder(path.dirname(base));
    const loaded =
        (fs.statSync(base, { throwIfNoEntry: false })?.isFile() && required(base)) ||
        (isModule ? await imported(`${base}.js`) : required(`${base}.js`)) ||
        (await imported(`${base}.mjs`)) ||
        required(`${base}.cjs`);
    return loaded || require(require.resolve(name, { paths: [root, folder] }));
}

/** The function that `folder/module.a.b` names. */
async function load(root, handler) {
    if (handler.includes("..")) {
        const text = `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in`;
        throw new MalformedHandlerName(`${text} handler names.`);
    }
    const base = path.basename(handler);
    const folder = handler.substring(0, handler.indexOf(base));
    const dot = base.indexOf(".");
    if (dot < 0) {
        throw new MalformedHandlerName("Bad handler");
    }
    let module;
    try {
        module = await importModule(root, folder, base.substring(0, dot));
    } catch (error) {
        if (error instanceof SyntaxError) {
            throw new UserCodeSyntaxError(error);
        }
        throw error?.code === "MODULE_NOT_FOUND" ? new ImportModuleError(error) : error;
    }
    const found = base.substring(dot + 1).split(".").reduce((nested, key) => nested && nested[key], module);
    if (!found) {
        throw new HandlerNotFound(`${handler} is undefined or not exported`);
    }
    if (typeof found !== "function") {
        throw new HandlerNotFound(`${handler} is not a function`);
    }
    return found;
}

/** `awslambda.streamifyResponse`: whoever invokes a function for a queue gets what is streamed in one piece. */
function defineStreaming() {
    const HttpResponseStream = { from: (stream) => stream };
    const streamifyResponse = (handler) => Object.assign(handler, { [STREAMING]: "response" });
    globalThis.awslambda = { streamifyResponse, HttpResponseStream };
}

// --- Work that goes on ---

/** What keeps the event loop busy, by kind and number; sockets that only wait for their next use do not. */
function busyWith() {
    const counts = new Map();
    for (const kind of process.getActiveResourcesInfo?.() ?? []) {
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return counts;
}

let isWorkTold = false;

/** Says once that a handler has ended before what it began. Lambda stops that where it is until the next invocation. */
function tellWorkThatGoesOn(before) {
    if (isWorkTold) {
        return;
    }
    const isPassing = (kind) => kind === "PipeWrap" || kind === "WriteWrap" || kind === "Immediate";
    const kinds = [...busyWith()].filter(([kind, count]) => count > (before.get(kind) ?? 0) && !isPassing(kind));
    if (kinds.length > 0) {
        isWorkTold = true;
        const names = kinds.map(([kind]) => kind).join(", ");
        const text = "the handler's promise is fulfilled, but work it started continues";
        const advice = "Lambda freezes it until the next invocation, possibly for ever: await it";
        process.stderr.write(`local-queue: ${text} (${names}); ${advice}\n`);
    }
}

// --- Invocations ---

let onEmptyLoop = () => {};
let onUncaught;

function contextOf(headers) {
    const parsed = (name, title) => {
        try {
            return headers[name] === undefined ? undefined : JSON.parse(headers[name]);
        } catch (error) {
            throw new Error(`Cannot parse ${title} as json: ${error}`);
        }
    };
    const deadline = Number(headers["lambda-runtime-deadline-ms"]);
    return {
        functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
        functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
        memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
        logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
        logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
        clientContext: parsed("lambda-runtime-client-context", "ClientContext"),
        identity: parsed("lambda-runtime-cognito-identity", "CognitoIdentity"),
        invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
        awsRequestId: headers["lambda-runtime-aws-request-id"],
        tenantId: headers["lambda-runtime-aws-tenant-id"],
        getRemainingTimeInMillis: () => deadline - Date.now(),
    };
}

function forwardTrace(trace) {
    if (trace === undefined) {
        delete process.env._X_AMZN_TRACE_ID;
    } else {
        process.env._X_AMZN_TRACE_ID = trace;
    }
}

/** Ends the process with this code after an error was told, whether that worked or not. */
function exitAfter(telling, code) {
    telling.then(() => process.exit(code), () => process.exit(code));
}

class Runtime {
    constructor(api, handler) {
        this.api = api;
        this.handler = handler[STREAMING] === "response" ? buffered(handler) : handler;
        this.afterwards = () => {};
    }

    /** Asks for the next invocation when the event loop comes round again. */
    schedule() {
        setImmediate(() => {
            this.#handleOnce().catch((error) => {
                console.log(`Unexpected Top Level Error: ${error}`);
                onUncaught(error, 129);
            });
        });
    }

    async #handleOnce() {
        const { headers, body } = await this.api.next();
        const id = headers["lambda-runtime-aws-request-id"];
        globalThis[REQUEST_ID] = id;
        onUncaught = (error, code) => exitAfter(this.api.fail(id, error), code);
        const outcome = this.#outcome(id);
        try {
            forwardTrace(headers["lambda-runtime-trace-id"]);
            const context = Object.assign(outcome.context, contextOf(headers));
            const before = busyWith();
            const result = this.handler(JSON.parse(body), context, outcome.callback);
            if (typeof result?.then === "function") {
                const succeed = (reply) => {
                    // When the reply is there: what ends with the handler has ended by then.
                    this.afterwards = () => tellWorkThatGoesOn(before);
                    context.succeed(reply);
                };
                result.then(succeed, context.fail).catch(context.fail);
            }
        } catch (error) {
            outcome.callback(error);
        }
    }

    /** The ways in which a function can tell what came of it, of which the first one counts. */
    #outcome(id) {
        let isTold = false;
        let isOver = false;
        let waitsForEmptyLoop = true;
        const then = (telling) => {
            const goOn = () => {
                this.afterwards();
                this.afterwards = () => {};
                this.schedule();
            };
            telling.then(goOn).catch((error) => onUncaught(error, 129));
        };
        const fail = (error) => {
            logError("Invoke Error", error);
            then(this.api.fail(id, error));
        };
        const complete = (result) => {
            if (isOver) {
                const text = "Invocation has already been reported as done. Cannot call complete more than once per";
                console.error(`${text} invocation.`);
                return;
            }
            isOver = true;
            then(this.api.reply(id, serialised(result)));
        };
        const done = (error, result) => {
            onEmptyLoop = () => {};
            if (error === undefined || error === null) {
                complete(result);
            } else {
                fail(error);
            }
        };
        const callback = (error, result) => {
            if ((error !== undefined && error !== null) || !waitsForEmptyLoop) {
                done(error, result);
                return;
            }
            onEmptyLoop = () => {
                onEmptyLoop = () => {};
                setImmediate(() => complete(result));
            };
        };
        const once = (tell) => (...told) => {
            if (!isTold) {
                tell(...told);
                isTold = true;
            }
        };
        // A function that neither answers nor has anything left to do has answered null.
        onEmptyLoop = () => {
            onEmptyLoop = () => {};
            isOver = true;
            then(this.api.reply(id, "null"));
        };
        const context = {
            get callbackWaitsForEmptyEventLoop() {
                return waitsForEmptyLoop;
            },
            set callbackWaitsForEmptyEventLoop(value) {
                waitsForEmptyLoop = value;
            },
            succeed: once((result) => done(null, result)),
            fail: once((error) => done(error ?? "handled", null)),
            done: once(done),
        };
        return { context, callback: once(callback) };
    }
}

/** A handler that streams, as one that answers with all it has written. */
function buffered(handler) {
    return async (event, context) => {
        const { PassThrough } = require("node:stream");
        const stream = Object.assign(new PassThrough(), { setContentType: () => {} });
        const parts = [];
        stream.on("data", (part) => parts.push(part));
        const finished = new Promise((resolve, reject) => stream.on("end", resolve).on("error", reject));
        await handler(event, stream, context);
        await finished;
        const text = Buffer.concat(parts).toString();
        try {
            return JSON.parse(text);
        } catch {
            return text;
        }
    };
}

async function run(root, handlerName) {
    patchConsole();
    const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
    onUncaught = (error, code) => exitAfter(api.failInit(error), code);
    process.on("uncaughtException", (error) => {
        logError("Uncaught Exception", error);
        onUncaught(error, 129);
    });
    process.on("unhandledRejection", (reason, promise) => {
        const error = Object.assign(new UnhandledPromiseRejection(reason), { reason, promise });
        logError("Unhandled Promise Rejection", error);
        onUncaught(error, 128);
    });
    process.on("beforeExit", () => onEmptyLoop());
    defineStreaming();
    importFromNodePath();
    new Runtime(api, await load(root, handlerName)).schedule();
}

// What comes of loading is not a lost promise but an exception that nobody caught.
run(process.cwd(), process.argv[2]).catch((error) => process.nextTick(() => { throw error; }));
