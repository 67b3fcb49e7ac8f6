"""Uses local-queue as somebody does for the first time: newcomer.py COMMAND...

COMMAND runs the program. It is started, a queue is created, a message is sent, received and deleted, its health is asked,
and it is stopped.
"""

import json
import signal
import subprocess
import sys
import urllib.request


def ask(url: str, action: str, **members: object) -> dict:
    """One request of SQS, in JSON."""
    headers = {"X-Amz-Target": f"AmazonSQS.{action}", "Content-Type": "application/x-amz-json-1.0"}
    request = urllib.request.Request(url, json.dumps(members).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read() or b"{}")


def use(url: str) -> None:
    queue = ask(url, "CreateQueue", QueueName="first")["QueueUrl"]
    sent = ask(url, "SendMessage", QueueUrl=queue, MessageBody="hello")
    [message] = ask(url, "ReceiveMessage", QueueUrl=queue)["Messages"]
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "hello"), message
    ask(url, "DeleteMessage", QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    counts = ask(url, "GetQueueAttributes", QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "0", counts


def main() -> None:
    command = sys.argv[1:]
    serve = [*command, "serve", "--listen", "127.0.0.1:0", "--print-json"]
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        if not line:
            sys.exit(f"{serve} did not start: {server.stderr.read()}")
        url = json.loads(line)["endpoint_url"]
        use(url)
        health = [*command, "health", "--address"]
        subprocess.run([*health, url], check=True, stdout=subprocess.DEVNULL)
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=10) == 0, server.returncode
        assert subprocess.run([*health, url], check=False, stderr=subprocess.DEVNULL).returncode == 1
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
