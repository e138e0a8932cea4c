#!/usr/bin/env python3
"""What no client should send gets a clear error and loses nothing: the object that was there before is still there after."""
import base64
import datetime
import hashlib
import re
import unittest
import zlib

import harness
from harness import KIB, MIB, Pattern, wait_for
from sigv4 import EMPTY, Raw, Signer

BUCKET = "input"
GOOD = b"the object that was there before"


class BadInput(harness.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.signer = Signer(cls.cluster.env)
        cls.s3.create_bucket(Bucket=BUCKET)

    def setUp(self):
        self.s3.put_object(Bucket=BUCKET, Key="k", Body=GOOD)

    def tearDown(self):
        self.assertEqual(self.s3.get_object(Bucket=BUCKET, Key="k")["Body"].read(), GOOD)

    def raw(self, node=1):
        return Raw(self.cluster.s3_port + node - 1)

    def put(self, body, payload_hash=None, headers=(), unsigned=(), change=lambda headers: headers, path=f"/{BUCKET}/k", now=None):
        with self.raw() as connection:
            signed, _, _ = self.signer.sign("PUT", path, connection.host, payload_hash or hashlib.sha256(body).hexdigest(), headers, now=now)
            connection.send_head("PUT", path, change(signed) + [("content-length", str(len(body)))] + list(unsigned))
            connection.send(body)
            return connection.answer()

    def assert_error(self, answer, status, *codes):
        self.assertEqual(answer[0], status, answer)
        code = re.search(rb"<Code>(\w+)</Code>", answer[2]).group(1).decode()
        self.assertIn(code, codes)
        self.assertEqual(re.search(rb"<RequestId>(.+?)</RequestId>", answer[2]).group(1).decode(), answer[1]["x-amz-request-id"])

    # -- who --

    def test_a_wrong_signature(self):
        def change(headers):
            return [(n, v[:-1] + ("0" if v[-1] != "0" else "1")) if n == "authorization" else (n, v) for n, v in headers]
        self.assert_error(self.put(b"bad", change=change), 403, "SignatureDoesNotMatch")

    def test_an_unknown_key(self):
        def change(headers):
            return [(n, v.replace(self.signer.id, "A" * 20)) if n == "authorization" else (n, v) for n, v in headers]
        self.assert_error(self.put(b"bad", change=change), 403, "InvalidAccessKeyId")

    def test_no_signature_at_all(self):
        self.assert_error(self.put(b"bad", change=lambda h: [(n, v) for n, v in h if n != "authorization"]), 403, "AccessDenied")

    def test_a_signature_of_yesterday(self):
        now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
        self.assert_error(self.put(b"bad", now=now), 403, "RequestTimeTooSkewed")

    def test_a_header_that_was_changed_after_signing(self):
        def change(headers):
            return [(n, "changed" if n == "x-amz-meta-a" else v) for n, v in headers]
        self.assert_error(self.put(b"bad", headers=[("x-amz-meta-a", "1")], change=change), 403, "SignatureDoesNotMatch")

    # -- what --

    def test_a_body_that_is_not_the_signed_one(self):
        self.assert_error(self.put(b"bad", payload_hash=hashlib.sha256(b"god").hexdigest()), 400, "XAmzContentSHA256Mismatch")

    def test_a_large_body_that_is_not_the_signed_one(self):
        body = Pattern("large", 3 * MIB).bytes()
        self.assert_error(self.put(body, payload_hash=EMPTY), 400, "XAmzContentSHA256Mismatch")

    def test_a_wrong_content_md5(self):
        md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        self.assert_error(self.put(b"bad", headers=[("content-md5", md5)]), 400, "BadDigest")
        self.assert_error(self.put(b"bad", headers=[("content-md5", "no base64")]), 400, "InvalidDigest")

    def test_a_wrong_checksum_of_each_kind(self):
        for name, size in (("crc32", 4), ("crc32c", 4), ("sha1", 20), ("sha256", 32), ("crc64nvme", 8)):
            value = base64.b64encode(b"\1" * size).decode()
            self.assert_error(self.put(b"bad", headers=[(f"x-amz-checksum-{name}", value)]), 400, "BadDigest")

    def test_a_body_shorter_than_announced(self):
        with self.raw() as connection:
            signed, _, _ = self.signer.sign("PUT", f"/{BUCKET}/k", connection.host, "UNSIGNED-PAYLOAD")
            connection.send_head("PUT", f"/{BUCKET}/k", signed + [("content-length", "1000000")])
            connection.send(b"x" * 999_999)
            connection.socket.shutdown(1)
            answer = connection.answer()
        if answer[0] is not None:
            self.assert_error(answer, 400, "IncompleteBody")

    def test_a_client_that_disconnects_in_mid_upload(self):
        for size in (0, 1, 100 * KIB, 40 * MIB):
            with self.raw() as connection:
                signed, _, _ = self.signer.sign("PUT", f"/{BUCKET}/k", connection.host, "UNSIGNED-PAYLOAD")
                connection.send_head("PUT", f"/{BUCKET}/k", signed + [("content-length", str(50 * MIB))])
                connection.send(b"x" * size)
        with self.raw() as connection:  # in the middle of the head
            connection.send(b"PUT /" + BUCKET.encode() + b"/k HTTP/1.1\r\nHost:")

    def test_a_client_that_disconnects_in_mid_download(self):
        self.s3.put_object(Bucket=BUCKET, Key="big", Body=Pattern("big", 40 * MIB).bytes())
        for _ in range(5):
            with self.raw() as connection:
                signed, _, _ = self.signer.sign("GET", f"/{BUCKET}/big", connection.host, EMPTY)
                connection.send_head("GET", f"/{BUCKET}/big", signed)
                connection.socket.recv(1000)
        digest, _ = harness.sha256_of_stream(self.s3.get_object(Bucket=BUCKET, Key="big")["Body"])
        self.assertEqual(digest, Pattern("big", 40 * MIB).sha256())

    # -- aws-chunked --

    def chunked(self, kind, chunks, trailer=None, damage=None, decoded=None, key="k"):
        """Sends `chunks` in aws-chunked framing of `kind`; `damage(index, bytes)` may change each frame."""
        with self.raw() as connection:
            size = sum(map(len, chunks)) if decoded is None else decoded
            headers = [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(size))]
            if trailer:
                headers.append(("x-amz-trailer", trailer[0]))
            signed, signature, amz_date = self.signer.sign("PUT", f"/{BUCKET}/{key}", connection.host, kind, headers)
            is_signed = kind.startswith("STREAMING-AWS4")
            frames = []
            for data in list(chunks) + [b""]:
                line = b"%x" % len(data)
                if is_signed:
                    signature = self.signer.chunk_signature(signature, amz_date, data)
                    line += b";chunk-signature=" + signature.encode()
                frames.append(line + b"\r\n" + data + (b"\r\n" if data else b""))
            end = b""
            if trailer:
                line = f"{trailer[0]}:{trailer[1]}".encode()
                end = line + b"\r\n"
                if is_signed:
                    end += b"x-amz-trailer-signature:" + self.signer.trailer_signature(signature, amz_date, line + b"\n").encode() + b"\r\n"
            frames[-1] += end + b"\r\n"
            if damage:
                frames = [damage(index, frame) for index, frame in enumerate(frames)]
            body = b"".join(frames)
            connection.send_head("PUT", f"/{BUCKET}/{key}", signed + [("content-length", str(len(body)))])
            connection.send(body)
            return connection.answer()

    CHUNKS = [b"a" * 65536, b"b" * 65536, b"c" * 1000]

    def crc32(self, data):
        return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()

    def test_good_streams_of_every_kind_are_stored(self):
        whole = b"".join(self.CHUNKS)
        trailer = ("x-amz-checksum-crc32", self.crc32(whole))
        for kind, end in (("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", None), ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", trailer),
                          ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", trailer)):
            answer = self.chunked(kind, self.CHUNKS, trailer=end, key="streamed")
            self.assertEqual(answer[0], 200, (kind, answer))
            got = self.s3.get_object(Bucket=BUCKET, Key="streamed")
            self.assertEqual(got["Body"].read(), whole)
            self.assertNotIn("aws-chunked", got.get("ContentEncoding", ""))
            self.s3.delete_object(Bucket=BUCKET, Key="streamed")

    def test_a_chunk_that_was_changed(self):
        answer = self.chunked("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", self.CHUNKS,
                              damage=lambda index, frame: frame.replace(b"bbbb", b"bbxb", 1) if index == 1 else frame)
        self.assert_error(answer, 403, "SignatureDoesNotMatch")

    def test_a_chunk_that_is_missing(self):
        answer = self.chunked("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", self.CHUNKS, damage=lambda index, frame: b"" if index == 1 else frame)
        self.assertIn(answer[0], (400, 403), answer)

    def test_a_wrong_trailing_checksum(self):
        for kind in ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
            answer = self.chunked(kind, self.CHUNKS, trailer=("x-amz-checksum-crc32", self.crc32(b"other")))
            self.assert_error(answer, 400, "BadDigest")

    def test_a_decoded_length_that_is_not_so(self):
        trailer = ("x-amz-checksum-crc32", self.crc32(b"".join(self.CHUNKS)))
        answer = self.chunked("STREAMING-UNSIGNED-PAYLOAD-TRAILER", self.CHUNKS, trailer=trailer, decoded=5)
        self.assert_error(answer, 400, "IncompleteBody", "InvalidRequest")

    # -- where --

    def request(self, method, path, query="", headers=()):
        with self.raw() as connection:
            signed, _, _ = self.signer.sign(method, path, connection.host, EMPTY, headers, query=query)
            connection.send_head(method, path + ("?" + query if query else ""), signed + [("content-length", "0")])
            return connection.answer()

    def test_buckets_and_keys_that_aws_refuses(self):
        for name in ("ab", "A-B-C", "under_score", "-a-", "1.2.3.4", "x" * 64):
            self.assert_error(self.request("PUT", f"/{name}"), 400, "InvalidBucketName")
        self.assert_error(self.request("PUT", f"/{BUCKET}/" + "x" * 1025), 400, "KeyTooLongError")
        self.assertIn(self.request("PUT", f"/{BUCKET}/%FF%FE")[0], (400,))

    def test_what_is_no_http(self):
        for line in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"):
            with self.raw() as connection:
                connection.send(line)
                connection.socket.shutdown(1)
                status = connection.answer()[0]
                self.assertIn(status, (None, 400, 501, 505), line)

    def test_an_unknown_subresource_is_not_taken_for_the_object(self):
        for method, query in (("PUT", "tagging="), ("PUT", "acl="), ("PUT", "no-such-thing="), ("GET", "torrent=")):
            answer = self.request(method, f"/{BUCKET}/k", query=query)
            self.assertGreaterEqual(answer[0], 400, (method, query, answer))

    def test_xml_that_is_none(self):
        for body in (b"", b"<", b"<Delete>", b"<Other/>", b"\0" * 100, b"<!DOCTYPE a [<!ENTITY b 'c'>]><Delete>&b;</Delete>"):
            with self.raw() as connection:
                md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
                signed, _, _ = self.signer.sign("POST", f"/{BUCKET}", connection.host, hashlib.sha256(body).hexdigest(),
                                                [("content-md5", md5)], query="delete=")
                connection.send_head("POST", f"/{BUCKET}?delete=", signed + [("content-length", str(len(body)))])
                connection.send(body)
                self.assert_error(connection.answer(), 400, "MalformedXML", "MissingRequestBodyError")


if __name__ == "__main__":
    harness.main()
