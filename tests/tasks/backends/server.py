"""A server that plays chat completions over real HTTP: it says what a test tells it to."""

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def completion(text="(a)", *, finish="stop", read=10, written=2, **more):
    """The body of a good reply."""
    message = {"role": "assistant", "content": text} | more.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": finish} | more
    return {
        "model": "stub-2026-01-01",
        "choices": [choice],
        "usage": {"prompt_tokens": read, "completion_tokens": written},
    }


class Stub:
    """What was asked, and what is to be said to it: (status, body, headers), "cut" or "hang"."""

    def __init__(self, script=None):
        self.script = script or (lambda number, body: (200, completion(), {}))
        self.bodies = []
        self.headers = []
        self.inside = self.most_inside = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.url = ""

    def asked(self):
        return [body["messages"][-1]["content"][0]["text"] for body in self.bodies]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        stub = self.server.stub
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with stub.lock:
            number = len(stub.bodies)
            stub.bodies.append(body)
            stub.headers.append(dict(self.headers))
            stub.inside += 1
            stub.most_inside = max(stub.most_inside, stub.inside)
        try:
            self.answer(stub, stub.script(number, body))
        finally:
            with stub.lock:
                stub.inside -= 1

    def answer(self, stub, said):
        if said == "hang":
            stub.closing.wait(60)
            self.close_connection = True
            return
        status, body, headers = (200, completion(), {}) if said == "cut" else said
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if said == "cut":
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # a client that has gone is what these tests are about


@contextmanager
def serve(script=None):
    """Serve on loopback, on a free port."""
    stub = Stub(script)
    server = Server(("127.0.0.1", 0), Handler)
    server.stub = stub
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        stub.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
