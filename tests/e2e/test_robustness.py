#!/usr/bin/env python3
"""What a gateway is to bear: hundreds of connections that say next to nothing, more requests than it takes, and clients that go away.
Others are not disturbed, and afterwards everything is as before."""
import concurrent.futures
import re
import select
import socket
import time

import botocore.exceptions

import harness
import sigv4
from harness import KIB, MIB

LORISES = 200


class Lorises:
    """Connections that send a byte of a head every now and then, and never its end."""

    def __init__(self, port, count):
        self.sockets = []
        for number in range(count):
            one = socket.create_connection(("127.0.0.1", port), timeout=30)
            one.sendall(b"GET /" if number % 2 else b"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            self.sockets.append(one)

    def drip(self):
        for one in list(self.sockets):
            try:
                one.sendall(b"a")
            except OSError:
                self.sockets.remove(one)

    def count_closed(self):
        """How many the server has answered or closed by now; those are put aside."""
        readable, _, _ = select.select(self.sockets, [], [], 0)
        for one in readable:
            one.close()
            self.sockets.remove(one)
        return len(readable)

    def close(self):
        for one in self.sockets:
            one.close()


class Robustness(harness.ClusterTest):
    def time_of_requests(self, client, bucket, count):
        body, took = b"x" * 64 * KIB, []
        for number in range(count):
            began = time.monotonic()
            client.put_object(Bucket=bucket, Key=f"k{number % 10}", Body=body)
            self.assertEqual(client.get_object(Bucket=bucket, Key=f"k{number % 10}")["Body"].read(), body)
            took.append(time.monotonic() - began)
        return sorted(took)

    def test_two_hundred_slow_connections_disturb_nobody(self):
        bucket = self.bucket()
        self.time_of_requests(self.s3, bucket, 10)
        lorises = Lorises(self.cluster.s3_port, LORISES)
        try:
            began, took = time.monotonic(), []
            while time.monotonic() - began < 8:
                lorises.drip()
                took += self.time_of_requests(self.s3, bucket, 5)
            took.sort()
            harness.log(f"beside {LORISES} slow connections: median {took[len(took) // 2] * 1000:.0f} ms, worst {took[-1] * 1000:.0f} ms of {len(took)}")
            self.assertLess(took[-1], 10)  # none of them waited for a loris, which would be 30 s
            self.assertGreater(len(lorises.sockets), 0)
            closed = [0]

            def all_closed():
                lorises.drip()
                closed[0] += lorises.count_closed()
                return not lorises.sockets
            harness.wait_for("all slow connections are closed when their head's time is up", all_closed, 90)
        finally:
            lorises.close()
        self.time_of_requests(self.s3, bucket, 5)

    def test_bodies_that_stop_coming_take_no_memory_from_others(self):
        bucket = self.bucket()
        signer, stuck = sigv4.Signer(self.cluster.env), []
        for number in range(40):
            raw = sigv4.Raw(self.cluster.s3_port)
            headers, _, _ = signer.sign("PUT", f"/{bucket}/stuck{number}", raw.host, "UNSIGNED-PAYLOAD")
            head = f"PUT /{bucket}/stuck{number} HTTP/1.1\r\nContent-Length: {64 * MIB}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n"
            raw.socket.sendall(head.encode() + b"x" * 100)
            stuck.append(raw)
        took = self.time_of_requests(self.s3, bucket, 20)
        self.assertLess(took[-1], 10)
        for raw in stuck:
            raw.socket.close()
        listed = self.s3.list_objects_v2(Bucket=bucket)
        self.assertEqual(sorted(entry["Key"] for entry in listed["Contents"]), sorted(f"k{i}" for i in range(10)))


class Overload(harness.ClusterTest):
    """A gateway that takes few requests at once."""
    LIMIT = 8

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = cls.cluster.dir / "n1" / "predastore.toml"
        cls.cluster.kill(1)
        config.write_text(re.sub(r"(?m)^\[s3\]$", f"[limits]\nrequests = {cls.LIMIT}\n\n[s3]", config.read_text()))
        cls.cluster.start(1)
        cls.cluster.wait_healthy()
        cls.s3.create_bucket(Bucket="overload")

    def test_it_sheds_at_once_and_is_itself_again_afterwards(self):
        client = self.cluster.boto3(1, config={"retries": {"max_attempts": 0}, "max_pool_connections": 64})
        body, shed, done, slowest_refusal = b"x" * MIB, 0, 0, 0.0

        def one(number):
            began = time.monotonic()
            try:
                client.put_object(Bucket="overload", Key=f"k{number % 50}", Body=body)
                return "ok", 0, None
            except botocore.exceptions.ClientError as error:
                answer = error.response["ResponseMetadata"]
                return error.response["Error"]["Code"], time.monotonic() - began, answer["HTTPHeaders"].get("retry-after")
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            for code, took, retry_after in pool.map(one, range(400)):
                self.assertIn(code, ("ok", "SlowDown"))
                done += code == "ok"
                shed += code == "SlowDown"
                if code == "SlowDown":
                    self.assertEqual(retry_after, "1")
                    slowest_refusal = max(slowest_refusal, took)
        harness.log(f"64 clients on a gateway that takes {self.LIMIT} requests: {done} done, {shed} told to slow down, the slowest of these in "
                    f"{slowest_refusal:.2f} s")
        self.assertGreater(done, 0)
        self.assertGreater(shed, 0)
        self.assertLess(slowest_refusal, 15)  # far from a time-out of anything
        # With the retries that every SDK does, all of it gets through; and without any, once the crowd has gone.
        patient = self.cluster.boto3(1, config={"retries": {"max_attempts": 15, "mode": "standard"}, "max_pool_connections": 16})
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: patient.put_object(Bucket="overload", Key=f"p{number}", Body=b"x" * KIB), range(100)))
        for number in range(30):
            self.assertEqual(one(number)[0], "ok")


class CrowdedMemory(harness.ClusterTest):
    """A gateway that has memory for a few uploads and downloads at a time."""
    MEMORY = 16 * MIB

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = cls.cluster.dir / "n1" / "predastore.toml"
        cls.cluster.kill(1)
        config.write_text(re.sub(r"(?m)^\[s3\]$", f"[limits]\nput_memory_bytes = {cls.MEMORY}\nget_memory_bytes = {2 * cls.MEMORY}\n\n[s3]",
                                 config.read_text()))
        cls.cluster.start(1)
        cls.cluster.wait_healthy()
        cls.s3.create_bucket(Bucket="crowd")

    def rate(self):
        """Objects a second that one client puts and gets while nobody else is there."""
        began, body = time.monotonic(), b"y" * MIB
        for number in range(20):
            self.s3.put_object(Bucket="crowd", Key=f"alone{number}", Body=body)
            self.s3.get_object(Bucket="crowd", Key=f"alone{number}")["Body"].read()
        return 20 / (time.monotonic() - began)

    def test_a_crowd_is_shed_early_and_the_speed_is_back_afterwards(self):
        self.rate()
        before = max(self.rate(), self.rate())
        # The gateway sleeps until all of them stand before it, so that they come in one moment, and more than there is memory for.
        signer, body, herd, outcomes, slowest = sigv4.Signer(self.cluster.env), b"x" * 256 * KIB, [], {}, 0.0
        for number in range(300):
            raw = sigv4.Raw(self.cluster.s3_port)
            headers, _, _ = signer.sign("PUT", f"/crowd/k{number}", raw.host, "UNSIGNED-PAYLOAD")
            herd.append((number, raw, headers + [("Content-Length", str(len(body)))]))

        def one(client):
            number, raw, headers = client
            with raw:
                try:
                    raw.send_head("PUT", f"/crowd/k{number}", headers)
                    raw.send(body)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it was answered already
                status, _, answer = raw.answer()
                code = re.search(rb"<Code>(\w+)</Code>", answer)
                return "ok" if status == 200 else code.group(1).decode() if code else status, time.monotonic() - woken
        self.cluster.pause(1)
        with concurrent.futures.ThreadPoolExecutor(len(herd)) as pool:
            answers = pool.map(one, herd)
            time.sleep(2)
            woken = time.monotonic()
            self.cluster.resume(1)
            for code, took in answers:
                outcomes[code] = outcomes.get(code, 0) + 1
                slowest = max(slowest, took if code != "ok" else 0)
        harness.log(f"{len(herd)} clients on {self.MEMORY / MIB:.0f} MiB: {outcomes}, the slowest refusal after {slowest:.1f} s; "
                    f"{before:.0f} objects a second before")
        self.assertGreater(outcomes.get("ok", 0), 0)
        self.assertGreater(outcomes.get("SlowDown", 0), 0)
        self.assertLessEqual(set(outcomes), {"ok", "SlowDown"})
        self.assertLess(slowest, 15)  # two seconds, on a machine of two cores that 300 threads of Python fill
        harness.wait_for("the speed of before is back", lambda: self.rate() >= 0.9 * before, 120)


if __name__ == "__main__":
    harness.main()
