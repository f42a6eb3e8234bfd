"""A receiver of webhooks that checks their signatures. For each line of standard input it prints a line: {"rows": [...], "deletions": [...], "keys": [...], "refused": n}.

    serve_webhook.py PORT SECRET

The first request is answered with 503, to be sent again; one whose signature is not right with 401, and counted.
"""
import hashlib
import hmac
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, secret = int(sys.argv[1]), sys.argv[2].encode()
kept = {"rows": [], "deletions": [], "keys": [], "refused": 0, "asked": 0}
lock = threading.Lock()


def genuine(header, body):
    said = dict(part.split("=", 1) for part in header.split(","))
    want = hmac.new(secret, said["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(want, said["v1"]) and abs(time.time() - int(said["t"])) < 300


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            kept["asked"] += 1
            if kept["asked"] == 1:
                return self.answer(503)
            if not genuine(self.headers["Vecmill-Signature"], body):
                kept["refused"] += 1
                return self.answer(401)
            sent = json.loads(body)
            kept["rows"] += sent["rows"]
            kept["deletions"] += sent["deletions"]
            kept["keys"].append(self.headers["Idempotency-Key"])
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
for _ in sys.stdin:
    with lock:
        print(json.dumps(kept), flush=True)
