#!/usr/bin/env python3
"""What happens on the connections of a gateway, byte by byte: framings that could be read in two ways, requests one behind the other,
clients that wait, go away or stay, a node that dies in mid-answer, and a gateway that is told to stop."""
import hashlib
import os
import resource
import signal
import socket
import threading
import time

import harness
import sigv4
from harness import KIB, MIB, Pattern

BUCKET = "wire"
UNSIGNED = "UNSIGNED-PAYLOAD"


class Wire(harness.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s3.create_bucket(Bucket=BUCKET)
        cls.signer = sigv4.Signer(cls.cluster.env)

    def raw(self, node=1):
        return sigv4.Raw(self.cluster.s3_port + node - 1)

    def signed(self, host, method, key, payload=sigv4.EMPTY, headers=()):
        """The head of a good request, without the empty line behind it."""
        path = f"/{BUCKET}/{key}"
        every, _, _ = self.signer.sign(method, path, host, payload, headers)
        return f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in every)

    def is_there(self, key):
        return key in [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    # -- framing --

    def test_every_smuggling_shape_is_refused_and_the_connection_closed(self):
        with self.raw() as one:
            host = one.host
        smuggled = self.signed(host, "PUT", "smuggled", UNSIGNED) + "Content-Length: 1\r\n\r\nx"
        size = len(smuggled)
        chunk = f"{size:x}\r\n{smuggled}\r\n0\r\n\r\n"
        shapes = {
            "length and chunks": ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n" + smuggled),
            "chunks and length": (f"Transfer-Encoding: chunked\r\nContent-Length: {size + 20}\r\n\r\n", chunk),
            "two lengths": (f"Content-Length: 0\r\nContent-Length: {size}\r\n\r\n", smuggled),
            "the same length twice": ("Content-Length: 0\r\nContent-Length: 0\r\n\r\n", smuggled),
            "a list of lengths": ("Content-Length: 0, 0\r\n\r\n", smuggled),
            "a sign": ("Content-Length: +0\r\n\r\n", smuggled),
            "a negative length": ("Content-Length: -1\r\n\r\n", smuggled),
            "hexadecimal": ("Content-Length: 0x0\r\n\r\n", smuggled),
            "a space in it": ("Content-Length: 0 0\r\n\r\n", smuggled),
            "beyond 64 bits": ("Content-Length: 18446744073709551616\r\n\r\n", smuggled),
            "space before the colon": (f"Content-Length : {size}\r\n\r\n", smuggled),
            "space before the colon of a coding": ("Transfer-Encoding : chunked\r\n\r\n", chunk),
            "a folded line": ("Content-Length:\r\n 0\r\n\r\n", smuggled),
            "a folded coding": ("Transfer-Encoding:\r\n chunked\r\n\r\n", chunk),
            "an unknown coding": ("Transfer-Encoding: xchunked\r\n\r\n", chunk),
            "two codings": ("Transfer-Encoding: gzip, chunked\r\n\r\n", chunk),
            "chunked twice": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", chunk),
            "identity": ("Transfer-Encoding: identity\r\n\r\n", chunk),
            "a tab in the coding": ("Transfer-Encoding: \x0bchunked\r\n\r\n", chunk),
            "a bare line feed": ("Content-Length: 0\nX: y\r\n\r\n", smuggled),
            "a bare carriage return": ("X: y\rContent-Length: 0\r\n\r\n", smuggled),
            "an end of line feeds": ("Content-Length: 0\n\n", smuggled),
            "a NUL": ("X: a\0b\r\nContent-Length: 0\r\n\r\n", smuggled),
            "no name": (": 0\r\nContent-Length: 0\r\n\r\n", smuggled),
            "two hosts": (f"Host: {host}\r\nContent-Length: 0\r\n\r\n", smuggled),
        }
        for name, (tail, rest) in shapes.items():
            with self.subTest(name), self.raw() as one:
                one.send((self.signed(host, "GET", "none") + tail + rest).encode("latin-1"))
                status, headers, body = one.answer()
                self.assertEqual((status, headers["connection"]), (400, "close"))
                self.assertIn(headers["x-amz-request-id"].encode(), body)
                self.assertIn(b"<Code>BadRequest</Code>", body)
                self.assertEqual(one.answer()[0], None, "closed, and nothing more was answered")
        self.assertFalse(self.is_there("smuggled"))

    def test_bad_chunks_end_the_connection_and_store_nothing(self):
        with self.raw() as one:
            host = one.host
        smuggled = self.signed(host, "PUT", "smuggled", UNSIGNED) + "Content-Length: 1\r\n\r\nx"
        for chunks in ("5\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n",
                       "5\r\nhelloX0\r\n\r\n", "5\r\nhello0\r\n\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n", "zz\r\n", "5;\x01\r\nhello\r\n0\r\n\r\n"):
            with self.subTest(chunks), self.raw() as one:
                one.send((self.signed(host, "PUT", "bad-chunks", UNSIGNED, [("x-amz-decoded-content-length", "5")]) +
                          "Transfer-Encoding: chunked\r\n\r\n" + chunks + smuggled).encode("latin-1"))
                status, _, _ = one.answer()
                self.assertEqual(status, 400)
                self.assertEqual(one.answer()[0], None)
        self.assertFalse(self.is_there("smuggled") or self.is_there("bad-chunks"))

    # -- one behind the other --

    def test_pipelined_requests_are_answered_in_order(self):
        with self.raw() as one:
            text = b""
            for number in range(20):
                body = b"x" * (number + 1)
                text += (self.signed(one.host, "PUT", f"p{number:02}", UNSIGNED) + f"Content-Length: {len(body)}\r\n\r\n").encode() + body
                text += (self.signed(one.host, "HEAD", f"p{number:02}") + "\r\n").encode()
            text += (self.signed(one.host, "GET", "none") + "\r\n").encode()  # an error in the middle ends nothing
            text += (self.signed(one.host, "GET", "p19") + "Connection: close\r\n\r\n").encode()
            one.send(text)
            data = b""
            while piece := one.socket.recv(65536):
                data += piece
        heads = [part.partition(b"\r\n\r\n")[0] for part in data.split(b"HTTP/1.1 ")[1:]]
        self.assertEqual([int(head[:3]) for head in heads], [200, 200] * 20 + [404, 200])
        lengths = [int(line.split(b":")[1]) for head in heads[1:40:2] for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")]
        self.assertEqual(lengths, list(range(1, 21)))
        self.assertTrue(data.endswith(b"x" * 20))

    def test_continue_is_sent_after_authentication_only(self):
        body = b"hello"
        with self.raw() as one:
            head = self.signed(one.host, "PUT", "waits", UNSIGNED) + f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
            one.send(head.encode())
            self.assertTrue(one.socket.recv(100).startswith(b"HTTP/1.1 100 "))
            one.send(body)
            self.assertEqual(one.answer()[0], 200)
        for change, status in ((lambda text: text.replace(f"/{BUCKET}/waits", f"/{BUCKET}/other", 1), 403),
                               (lambda text: text.replace("authorization: ", "x-authorization: ", 1), 403)):
            with self.raw() as one:
                head = self.signed(one.host, "PUT", "waits", UNSIGNED) + f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
                one.send(change(head).encode())
                answer = one.socket.recv(100)
                self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer)
        with self.raw() as one:  # a good signature for a bucket that is not there
            every, _, _ = self.signer.sign("PUT", "/no-such-bucket/k", one.host, UNSIGNED)
            one.send_head("PUT", "/no-such-bucket/k", every + [("Content-Length", "5"), ("Expect", "100-continue")])
            self.assertTrue(one.socket.recv(100).startswith(b"HTTP/1.1 404 "))
        with self.raw() as one:
            one.send((self.signed(one.host, "GET", "waits") + "Expect: the unexpected\r\n\r\n").encode())
            self.assertEqual(one.answer()[0], 417)

    # -- clients that go away or stay --

    def test_a_client_that_goes_away_at_any_byte_leaves_nothing(self):
        size = 400 * KIB
        body = Pattern("gone", size).bytes()
        places = sorted({max(0, at + off) for at in range(0, size, 64 * KIB) for off in (-1, 0, 1)} | {size - 1})
        for number, place in enumerate(places):
            with self.raw(1 + number % 3) as one:
                one.send((self.signed(one.host, "PUT", f"gone{number}", UNSIGNED) + f"Content-Length: {size}\r\n\r\n").encode() + body[:place])
        time.sleep(1)
        self.s3.put_object(Bucket=BUCKET, Key="stays", Body=body)
        listed = [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=BUCKET, Prefix="gone").get("Contents", [])]
        self.assertEqual(listed, [])

        def sockets():
            links = [os.readlink(f"/proc/{self.cluster.pid(1)}/fd/{fd}") for fd in os.listdir(f"/proc/{self.cluster.pid(1)}/fd")]
            return sum(link.startswith("socket:") for link in links)
        harness.wait_for("the sockets are freed", lambda: sockets() < 40, 30)

    def test_thousands_of_idle_connections_cost_little(self):
        count = 3000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < count + 200:
            self.skipTest(f"this process may have {hard} files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 200), hard))
        self.s3.put_object(Bucket=BUCKET, Key="beside", Body=b"x" * MIB)
        before, _ = harness.resident_bytes(self.cluster.pid(1))
        idle = [socket.create_connection(("127.0.0.1", self.cluster.s3_port), timeout=30) for _ in range(count)]
        try:
            for _ in range(20):
                self.assertEqual(len(self.s3.get_object(Bucket=BUCKET, Key="beside")["Body"].read()), MIB)
            now, _ = harness.resident_bytes(self.cluster.pid(1))
            harness.log(f"{count} idle connections: {(now - before) / count / KIB:.1f} KiB each")
            self.assertLess(now - before, count * 32 * KIB)
        finally:
            for one in idle:
                one.close()

    # -- what breaks in the middle --

    def test_a_node_that_dies_in_the_middle_of_an_answer_is_replaced_by_parity(self):
        pattern = Pattern("middle", 96 * MIB)
        self.s3.put_object(Bucket=BUCKET, Key="middle", Body=pattern.bytes())
        for victim, kill, back in ((2, self.cluster.kill, self.cluster.start), (3, self.cluster.pause, self.cluster.resume)):
            stream = self.s3.get_object(Bucket=BUCKET, Key="middle")["Body"]
            digest, size = hashlib.sha256(), 0
            try:
                while piece := stream.read(MIB):
                    digest.update(piece)
                    size += len(piece)
                    if size == 16 * MIB:
                        kill(victim)
                self.assertEqual((size, digest.hexdigest()), (pattern.size, pattern.sha256()))
            finally:
                back(victim)
            self.cluster.wait_healthy()

    def test_a_gateway_that_is_told_to_stop_finishes_what_it_has_begun(self):
        """SIGTERM: no new connections, idle ones are closed, requests under way end well."""
        pattern = Pattern("drain", 4 * MIB)
        body = pattern.bytes()
        self.cluster.boto3(3).put_object(Bucket=BUCKET, Key="drain", Body=body)
        idle, down, up = self.raw(3), self.raw(3), self.raw(3)
        down.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
        down.send((self.signed(down.host, "GET", "drain") + "\r\n").encode())
        got = down.socket.recv(4096)
        up.send((self.signed(up.host, "PUT", "drained", UNSIGNED) + f"Content-Length: {len(body)}\r\n\r\n").encode() + body[:MIB])
        time.sleep(0.5)
        pid = self.cluster.pid(3)
        os.kill(pid, signal.SIGTERM)
        try:
            self.assertEqual(idle.socket.recv(10), b"")
            harness.wait_for("nobody is let in any more", self.is_closed_to_newcomers, 10)
            received = [got]

            def receive():
                while piece := down.socket.recv(65536):
                    received.append(piece)
            reader = threading.Thread(target=receive)
            reader.start()
            up.send(body[MIB:])
            status, headers, _ = up.answer()
            self.assertEqual((status, headers.get("connection")), (200, "close"))
            reader.join(60)
            head, _, data = b"".join(received).partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 "))
            self.assertEqual(hashlib.sha256(data).hexdigest(), pattern.sha256())
            harness.wait_for("the process ends by itself", lambda: not self.cluster.is_running(3), 60)
        finally:
            for one in (idle, down, up):
                one.socket.close()
            self.cluster.start(3)
        self.cluster.wait_healthy()
        self.assertEqual(self.s3.get_object(Bucket=BUCKET, Key="drained")["Body"].read(), body)

    def is_closed_to_newcomers(self):
        try:
            self.raw(3).socket.close()
        except ConnectionRefusedError:
            return True
        return False


if __name__ == "__main__":
    harness.main()
