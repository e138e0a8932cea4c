"""What the files of this directory share. Each is for one operation of S3 and drives it through boto3 as people do, on one cluster
of three nodes that all of them share: test_each_operation.py, one directory up, runs them all and holds them against the table of
docs/s3.md. One alone: python3 tests/e2e/operations/test_put_object.py"""
import hashlib
import pathlib
import re
import sys
import unittest

import botocore.exceptions

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import harness  # noqa: E402
from harness import KIB, MIB, Pattern, wait_for  # noqa: E402, F401 (for the files)

TABLE_ROW = re.compile(r"^\| (\w+) \| `[^`]*` \| (yes|partly|no) \|", re.M)


def table():
    """{operation: "yes", "partly" or "no"} of docs/s3.md, which a unit test holds against the router's own table."""
    rows = dict(TABLE_ROW.findall((harness.ROOT / "docs" / "s3.md").read_text()))
    assert len(rows) > 50, rows
    return rows


def snake_case(operation):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation).lower()


class Shared:
    """The cluster, and which operations were answered without an error while which file ran."""
    cluster = None
    failed = False
    succeeded = set()  # (module, operation)
    names = []  # of all operations that this boto3 knows
    module = None

    @classmethod
    def start(cls):
        if cls.cluster is None:
            cls.cluster = harness.Cluster(settings="[epochs]\nwrite_epoch_seconds = 10\n")  # so long space waits for readers, twice
        return cls.cluster

    @classmethod
    def stop(cls):
        if cls.cluster is not None:
            cls.cluster.close(failed=cls.failed)
            cls.cluster = None

    @classmethod
    def note(cls, http_response, model, **_):
        if http_response.status_code < 300:
            cls.succeeded.add((cls.module, model.name))


class OperationTest(harness.ClusterTest):
    """Clients of all three nodes in self.clients, that of the first in self.s3; a bucket of its own for each test in self.name."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Shared.start()
        Shared.module = pathlib.Path(sys.modules[cls.__module__].__file__).stem
        cls.failed = False
        cls.clients = [cls.client(node) for node in (1, 2, 3)]
        cls.s3 = cls.clients[0]
        cls.model = cls.s3.meta.service_model
        Shared.names = cls.model.operation_names

    @classmethod
    def tearDownClass(cls):
        Shared.failed = Shared.failed or cls.failed

    @classmethod
    def client(cls, node=1, **options):
        client = cls.cluster.boto3(node, **options)
        client.meta.events.register("after-call.s3", Shared.note)
        return client

    def setUp(self):
        words = f"{type(self).__name__}-{self._testMethodName.removeprefix('test_')}"
        digest = hashlib.sha256(words.encode()).hexdigest()[:8]
        self.name = re.sub(r"[^a-z0-9]+", "-", words.lower())[:50].strip("-") + "-" + digest
        self.s3.create_bucket(Bucket=self.name)

    # -- words --

    def knows(self, operation, *members):
        """Skips the test where this boto3 is older than what it is about."""
        known = operation in self.model.operation_names
        shape = self.model.operation_model(operation).input_shape if known else None
        if shape is None or any(member not in shape.members for member in members):
            self.skipTest(f"this boto3 is too old to know {operation} {' '.join(members)}")

    def put(self, key="k", body=b"x", **words):
        return self.s3.put_object(Bucket=self.name, Key=key, Body=body, **words)

    def body(self, key="k", client=None, **words):
        return (client or self.clients[2]).get_object(Bucket=self.name, Key=key, **words)["Body"].read()

    def keys(self, **words):
        return [entry["Key"] for entry in self.clients[1].list_objects_v2(Bucket=self.name, **words).get("Contents", [])]

    def refused(self, code, call, *values, **words):
        """The answer to a call that must end with this code (on HEAD: the status)."""
        try:
            answer = call(*values, **words)
        except botocore.exceptions.ClientError as error:
            self.assertEqual(error.response["Error"]["Code"], code, error.response)
            return error.response
        raise AssertionError(f"{code} was expected: {answer}")

    def status(self, answer):
        return answer["ResponseMetadata"]["HTTPStatusCode"]

    def header(self, answer, name):
        return answer["ResponseMetadata"]["HTTPHeaders"].get(name)

    def absent(self, key="k"):
        """Nothing is there, whichever node is asked."""
        for client in self.clients:
            self.refused("404", client.head_object, Bucket=self.name, Key=key)

    def upload(self, sizes=(5 * MIB, 5 * MIB, 7), key="k", complete=True, **words):
        """An upload of parts of these sizes: (its id, the parts as Complete wants them, all bytes)."""
        upload_id = self.s3.create_multipart_upload(Bucket=self.name, Key=key, **words)["UploadId"]
        parts, whole = [], b""
        for number, size in enumerate(sizes, 1):
            body = Pattern(f"{key}{number}", size).bytes()
            answer = self.clients[number % 3].upload_part(Bucket=self.name, Key=key, UploadId=upload_id, PartNumber=number, Body=body)
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            whole += body
        if complete:
            self.s3.complete_multipart_upload(Bucket=self.name, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts})
        return upload_id, parts, whole


def md5(data):
    return hashlib.md5(data).hexdigest()


def multipart_etag(bodies):
    return '"%s-%d"' % (md5(b"".join(hashlib.md5(body).digest() for body in bodies)), len(bodies))


def main():
    """One file alone."""
    if not harness.BINARY.exists():
        sys.exit(f"{harness.BINARY} is not there: build first (scripts/build)")
    try:
        done = unittest.main(module="__main__", verbosity=2, exit=False)
    finally:
        Shared.stop()
    sys.exit(not done.result.wasSuccessful())
