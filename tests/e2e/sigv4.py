"""Signature Version 4 by hand, so that tests can send what no well-behaved client sends."""
import datetime
import hashlib
import hmac
import socket
import urllib.parse

EMPTY = hashlib.sha256(b"").hexdigest()


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Signer:
    def __init__(self, env):
        self.id, self.secret, self.region = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_DEFAULT_REGION"]

    def key(self, day):
        key = _hmac(b"AWS4" + self.secret.encode(), day)
        for word in (self.region, "s3", "aws4_request"):
            key = _hmac(key, word)
        return key

    def sign(self, method, path, host, payload_hash, headers=(), query="", now=None):
        """(all headers as a list, signature, amz date). `headers` are signed too."""
        now = now or datetime.datetime.now(datetime.timezone.utc)
        amz_date, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        every = [("host", host), ("x-amz-content-sha256", payload_hash), ("x-amz-date", amz_date)] + [(k.lower(), v) for k, v in headers]
        every.sort()
        names = ";".join(name for name, _ in every)
        canonical = "\n".join([method, path, query, "".join(f"{n}:{v.strip()}\n" for n, v in every), names, payload_hash])
        scope = f"{day}/{self.region}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", amz_date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(self.key(day), to_sign.encode(), hashlib.sha256).hexdigest()
        every.append(("authorization", f"AWS4-HMAC-SHA256 Credential={self.id}/{scope}, SignedHeaders={names}, Signature={signature}"))
        return every, signature, amz_date

    def chunk_signature(self, previous, amz_date, data):
        scope = f"{amz_date[:8]}/{self.region}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", amz_date, scope, previous, EMPTY, hashlib.sha256(data).hexdigest()])
        return hmac.new(self.key(amz_date[:8]), to_sign.encode(), hashlib.sha256).hexdigest()

    def trailer_signature(self, previous, amz_date, trailer):
        scope = f"{amz_date[:8]}/{self.region}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256-TRAILER", amz_date, scope, previous, hashlib.sha256(trailer).hexdigest()])
        return hmac.new(self.key(amz_date[:8]), to_sign.encode(), hashlib.sha256).hexdigest()


def escape(path):
    return urllib.parse.quote(path, safe="/-_.~")


class Raw:
    """One connection on which bytes are sent as they are."""

    def __init__(self, port, timeout=90):
        self.host = f"127.0.0.1:{port}"
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_head(self, method, target, headers):
        self.send((f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n").encode())

    def answer(self):
        """(status, headers, body); (None, {}, b"") when the connection is closed without an answer."""
        data = self.pending
        while b"\r\n\r\n" not in data:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return None, {}, data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        if status == 100:
            self.pending = body
            return self.answer()
        headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        while len(body) < length:
            piece = self.socket.recv(65536)
            if not piece:
                break
            body += piece
        if headers.get("transfer-encoding") == "chunked":
            while not body.endswith(b"0\r\n\r\n"):
                body += self.socket.recv(65536)
        self.pending = b""
        return status, headers, body
