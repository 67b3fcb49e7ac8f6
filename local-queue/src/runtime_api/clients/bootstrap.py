"""Runs the handler of a Lambda function by the Runtime API, as the Python runtime of AWS does.

    bootstrap.py HANDLER [FOLDER]

The module is looked for in the working directory. Packages of FOLDER are found after all others: they stand for what the
runtime of AWS brings. Where the environment has the official client, awslambdaric, that one takes over.
"""

# Every other module is imported where it is needed: json with re, logging, traceback and socket take twice the time that the
# interpreter itself takes to start.
import _socket
import importlib
import importlib.machinery
import os
import sys
import time

API = "/2018-06-01/runtime"
IS_JSON = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
# Since 3.12 replies are written in UTF-8, before that in ASCII with escapes.
ASCII_UNTIL = ("AWS_Lambda_python3.8", "AWS_Lambda_python3.9", "AWS_Lambda_python3.10", "AWS_Lambda_python3.11")
IS_ASCII = os.environ.get("AWS_EXECUTION_ENV") in ASCII_UNTIL
JSON_DATE = "%Y-%m-%dT%H:%M:%SZ"
# The lines of an error are one event in CloudWatch: a carriage return parts them, and this space indents them.
LINE_BREAK = "\r"
INDENT = "\u00a0"
WARNING = (
    "LAMBDA_WARNING: Unhandled exception. The most likely cause is an issue in the function code. However, in rare cases, a "
    "Lambda runtime update can cause unexpected function behavior. For functions using managed runtimes, runtime updates can "
    "be triggered by a function change, or can be applied automatically. To determine if the runtime has been updated, check "
    "the runtime version in the INIT_START log entry. If this error correlates with a change in the runtime version, you may "
    "be able to mitigate this error by temporarily rolling back to the previous runtime version. For more information, see "
    "https://docs.aws.amazon.com/lambda/latest/dg/runtimes-update.html\r"
)

request_id = None


class Fault(Exception):
    """What the runtime, not the function, has to say, under a type of its own."""

    def __init__(self, error_type, message, trace=None):
        super().__init__(message)
        self.error_type, self.message, self.trace = error_type, message, trace


class Identity:
    """`context.identity`."""

    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]

    def __init__(self):
        self.cognito_identity_id = self.cognito_identity_pool_id = None

    def __repr__(self):
        return "CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None])"


class LambdaContext:
    """`context`, as the second argument of a handler."""

    def __init__(self, invoke_id, deadline_ms, invoked_function_arn):
        self.aws_request_id = invoke_id
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = invoked_function_arn
        self.tenant_id = None
        # A queue's batch comes without a client and without a user.
        self.client_context = None
        self.identity = Identity()
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def w3c(self):
        return {}

    def log(self, message):
        sys.stdout.write(str(message))

    def __repr__(self):
        fields = ["aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb"]
        fields += ["function_version", "invoked_function_arn", "client_context", "identity", "tenant_id"]
        return "LambdaContext([" + ",".join(f"{name}={getattr(self, name)}" for name in fields) + "])"


class Unbuffered:
    """A stream whose lines are there as soon as they are written."""

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        self._stream.write(text)
        self._stream.flush()

    def writelines(self, lines):
        self._stream.writelines(lines)
        self._stream.flush()


class LoggingFinder:
    """Sets `logging` up when it is first imported. AWS's runtime does so at its start; not every function logs."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None:
            loader, load = spec.loader, spec.loader.exec_module

            def load_and_set_up(module):
                del loader.exec_module
                load(module)
                set_up_logging(module)

            loader.exec_module = load_and_set_up
        return spec


def set_up_logging(logging):
    """Gives the root logger the handler that it has in Lambda."""

    class LogHandler(logging.Handler):
        def emit(self, record):
            sys.stdout.write(self.format(record))

    class RequestId(logging.Filter):
        def filter(self, record):
            record.aws_request_id = request_id or ""
            record.tenant_id = None
            return True

    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    level = "DEBUG" if level == "TRACE" else level
    logging.Formatter.converter = time.gmtime
    handler = LogHandler()
    if IS_JSON:
        handler.setFormatter(json_formatter(logging))
    else:
        line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        handler.setFormatter(logging.Formatter(line, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(RequestId())
    root = logging.getLogger()
    root.addHandler(handler)
    if level in ("DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL", "NOTSET"):
        root.setLevel(level)


def json_formatter(logging):
    import json

    encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
    # What belongs to a record itself; all else was given as `extra`.
    own_fields = set(logging.makeLogRecord({}).__dict__)
    own_fields |= {"message", "asctime", "taskName", "aws_request_id", "tenant_id"}

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            # Levels of one's own count as the next lower one that has a name.
            record.levelno = min(50, max(0, record.levelno)) // 10 * 10
            record.levelname = logging.getLevelName(record.levelno)
            is_document = isinstance(record.msg, dict) and not record.args
            line = {
                "timestamp": self.formatTime(record, self.datefmt),
                "level": record.levelname,
                "message": record.msg if is_document else record.getMessage(),
                "logger": record.name,
            }
            if record.exc_info:
                import traceback

                error_type, error, trace = record.exc_info
                line["stackTrace"] = traceback.format_tb(trace)
                line["errorType"] = error_type.__name__ if error_type else None
                line["errorMessage"] = str(error)
            line["requestId"] = record.aws_request_id
            if record.exc_info:
                line["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
            extra = {name: value for name, value in record.__dict__.items() if name not in own_fields}
            line.update((name, value) for name, value in extra.items() if name not in line)
            return encode({name: value for name, value in line.items() if value is not None}) + "\n"

    return JsonFormatter(datefmt=JSON_DATE)


class ReplyEncoder:
    """JSON as the runtime of AWS writes it: bytes are text, tuples with names are objects, decimals are exact numbers."""

    def __init__(self):
        import json

        self._mark = os.urandom(16).hex()
        self._has_decimals = False
        self._encode = json.JSONEncoder(ensure_ascii=IS_ASCII, default=self._default).encode

    def encode(self, value):
        self._has_decimals = False
        text = self._encode(self._with_named_tuples(value, set()))
        if self._has_decimals:
            text = text.replace(f'"{self._mark}', "").replace(f'{self._mark}"', "")
        return text

    def _default(self, value):
        if isinstance(value, (bytes, bytearray)):
            return value.decode("utf-8")
        decimal = sys.modules.get("decimal")
        if decimal and isinstance(value, decimal.Decimal):
            if value.is_nan():
                return float("nan")
            self._has_decimals = True
            return f"{self._mark}{value}{self._mark}"
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

    def _with_named_tuples(self, value, within):
        if not isinstance(value, (dict, list, tuple)) or id(value) in within:
            return value
        within.add(id(value))
        try:
            if isinstance(value, dict):
                return {key: self._with_named_tuples(item, within) for key, item in value.items()}
            if callable(getattr(value, "_asdict", None)):
                return self._with_named_tuples(value._asdict(), within)
            return [self._with_named_tuples(item, within) for item in value]
        finally:
            within.discard(id(value))


class RuntimeApi:
    """The Runtime API at this address, over one connection."""

    def __init__(self, address):
        self._address = address
        host, port = address.rsplit(":", 1)
        self._socket = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self._socket.connect((host, int(port)))
        self._socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        self._received = b""

    def _send(self, method, path, body=b"", headers=None):
        lines = [f"{method} {API}{path} HTTP/1.1", f"Host: {self._address}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._socket.sendall("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body)

    def _receive(self):
        head = self._until(lambda: self._received.find(b"\r\n\r\n") + 1)
        lines = self._take(head + 3).decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        self._until(lambda: len(self._received) >= length)
        return int(lines[0].split()[1]), headers, self._take(length)

    def _until(self, is_there):
        """Receives until there is what is wanted; gives what that says."""
        while not (found := is_there()):
            part = self._socket.recv(1 << 20)
            if not part:
                raise ConnectionError("the Runtime API has closed the connection")
            self._received += part
        return found

    def _take(self, length):
        taken, self._received = self._received[:length], self._received[length:]
        return taken

    def _call(self, method, path, body, headers):
        self._send(method, path, body, headers)
        return self._receive()

    def ask_for_next(self):
        self._send("GET", "/invocation/next")

    def next(self):
        status, headers, body = self._receive()
        if status != 200:
            raise RuntimeError(f"the Runtime API answered {status} to a request for the next invocation: {body!r}")
        return headers, body

    def reply(self, invoke_id, body, content_type):
        self._call("POST", f"/invocation/{invoke_id}/response", body, {"Content-Type": content_type})

    def fail(self, invoke_id, error):
        self._call("POST", f"/invocation/{invoke_id}/error", encoded(error), {"Content-Type": "application/json"})

    def fail_init(self, error):
        headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": error["errorType"]}
        self._call("POST", "/init/error", encoded(error), headers)


def encoded(error):
    import json

    return json.dumps(error, ensure_ascii=IS_ASCII).encode("utf-8", "surrogatepass")


def load(handler):
    """Imports the module of `a/b.handler` or `a.b.handler`, and finds the function in it."""
    try:
        module_name, name = handler.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': {error}") from None
    if module_name.split(".")[0] in sys.builtin_module_names:
        text = f"Cannot use built-in module {module_name} as a handler module"
        raise Fault("Runtime.BuiltInModuleConflict", text)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace) from None
    try:
        return getattr(module, name)
    except AttributeError:
        text = f"Handler '{name}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", text) from None


def describe(error, invoke_id=""):
    """An error as it is reported: without the frames of this file that are above the function's own."""
    if isinstance(error, Fault):
        error_type, message, trace = error.error_type, error.message, error.trace or []
    else:
        import traceback

        frames = traceback.extract_tb(error.__traceback__)
        frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in frames]
        first = next((number for number, frame in enumerate(frames) if frame[0] != __file__), 0)
        error_type, message, trace = type(error).__name__, str(error), traceback.format_list(frames[first:])
    return {"errorMessage": message, "errorType": error_type, "requestId": invoke_id, "stackTrace": trace}


def log_error(error):
    if IS_JSON:
        import json

        line = {"timestamp": time.strftime(JSON_DATE, time.gmtime()), "level": "ERROR", **error}
        sys.stdout.write(json.dumps(line, ensure_ascii=IS_ASCII) + "\n")
        return
    kind, message = error["errorType"], error["errorMessage"]
    first = "[ERROR]" + (f" {kind}" if kind else "")
    if message:
        first += (": " if kind else " ") + message
    lines = [first, "Traceback (most recent call last):"]
    for element in error["stackTrace"]:
        for line in element.splitlines() or [""]:
            text = line.lstrip(" ")
            lines.append(INDENT * (len(line) - len(text)) + text)
    sys.stdout.write(LINE_BREAK.join(lines) + "\n")


is_work_told = False


def threads():
    """The threads that a process waits for. Those of a pool may have nothing to do, so they say nothing."""
    threading = sys.modules.get("threading")
    alive = threading.enumerate() if threading else []
    return {thread for thread in alive if not thread.daemon and not thread.name.startswith("ThreadPoolExecutor-")}


def tell_work_that_goes_on(before):
    """Says once that a handler has ended before what it began. Lambda stops that where it is until the next invocation."""
    global is_work_told
    left = [] if is_work_told else threads() - before
    left = [thread for thread in left if thread is not sys.modules["threading"].main_thread()]
    if left:
        is_work_told = True
        names = ", ".join(sorted(thread.name for thread in left))
        text = f"local-queue: the handler has returned, but threads it started continue ({names}); "
        sys.stderr.write(text + "Lambda freezes them until the next invocation, possibly for ever: join them\n")


def handle(api, handler, encoder, headers, body):
    """One invocation: the handler is called, and what comes of it is told."""
    import json

    invoke_id = headers["lambda-runtime-aws-request-id"]
    trace_id = headers.get("lambda-runtime-trace-id")
    if trace_id is None:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    else:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    deadline_ms = int(headers["lambda-runtime-deadline-ms"])
    context = LambdaContext(invoke_id, deadline_ms, headers["lambda-runtime-invoked-function-arn"])
    try:
        try:
            event = json.loads(body)
        except ValueError as error:
            raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
        before = threads()
        reply = handler(event, context)
        tell_work_that_goes_on(before)
        content_type = "application/json"
        if isinstance(reply, bytes):
            content_type = "application/unknown"
        else:
            try:
                reply = encoder.encode(reply).encode("utf-8")
            except Exception as error:
                raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
    except Exception as error:
        error = describe(error, invoke_id)
        log_error(error)
        api.fail(invoke_id, error)
    else:
        api.reply(invoke_id, reply, content_type)


def run(handler_name):
    global request_id
    sys.stdout, sys.stderr = Unbuffered(sys.stdout), Unbuffered(sys.stderr)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        if "logging" in sys.modules:
            set_up_logging(sys.modules["logging"])
        else:
            sys.meta_path.insert(0, LoggingFinder())
        handler = load(handler_name)
    except Exception as error:
        import logging

        error = describe(error)
        logging.warning(WARNING)
        log_error(error)
        api.fail_init(error)
        sys.exit(1)
    encoder = None
    while True:
        api.ask_for_next()
        # What every answer needs is imported while the first one is under way.
        encoder = encoder or ReplyEncoder()
        headers, body = api.next()
        request_id = headers["lambda-runtime-aws-request-id"]
        handle(api, handler, encoder, headers, body)


def official_client():
    """The client of AWS, if it is installed and works with this Python."""
    if importlib.machinery.PathFinder.find_spec("awslambdaric") is None:
        return None
    try:
        from awslambdaric.__main__ import main
    except ImportError:
        return None
    return main


if __name__ == "__main__":
    # In place of the folder of this file: where the code is.
    sys.path[0] = os.getcwd()
    sys.path.extend(sys.argv[2:])
    main = official_client()
    if main is None:
        run(sys.argv[1])
    else:
        main(sys.argv[:2])
