#!/usr/bin/env python3
"""Clients of Debian that sign and list in ways of their own: s3cmd, restic, and the functional tests of minio-go, which are built from
Debian's package of its source. What passes of these is kept here; what does not is listed with the reason."""
import collections
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import harness
from harness import MIB, Pattern

MINIO_GO = pathlib.Path("/usr/share/gocode/src/github.com/minio/minio-go/v7/functional_tests.go")
GO = shutil.which("go") or "/usr/lib/go/bin/go"

# The functional tests by name and outcome: PASS, NA (the client was told NotImplemented) or FAIL. Tests whose name comes twice run
# once with signatures of version 2 and once with version 4.
PASSES = """
testCopyObject testComposeObjectErrorCasesWrapper testComposeMultipleSources testFGetObjectContext testFPutObject testFPutObjectContext
testFPutObjectMultipart testGetObjectClosedTwice testGetObjectContext testGetObjectModified testGetObjectRanges
testGetObjectReadAtFunctional testGetObjectReadAtWhenEOFWasReached testGetObjectReadSeekFunctional testGetObjectSeekEnd
testPutObjectContext testPutObjectReadAt testPutObjectStreaming testPutObjectUploadSeekedObject testPutObjectWithChecksums
testPutObjectWithContentLanguage testPutObjectWithMetadata testRemoveMultipleObjects testStorageClassInvalidMetadataPutObject
testStorageClassMetadataPutObject testStorageClassMetadataCopyObject testListObjects testUserMetadataCopyingWrapper
""".split()
FAILS = {
    "signatures of version 2, which AWS has given up": """
        testMakeBucketErrorV2 testGetObjectClosedTwiceV2 testFPutObjectV2 testMakeBucketRegionsV2 testGetObjectReadSeekFunctionalV2
        testGetObjectReadAtFunctionalV2 testCopyObjectV2 testFunctionalV2 testComposeObjectErrorCasesWrapper testComposeMultipleSources
        testUserMetadataCopyingWrapper testPutObject0ByteV2 testPutObjectNoLengthV2 testPutObjectsUnknownV2 testGetObjectContextV2
        testFPutObjectContextV2 testFGetObjectContextV2 testPutObjectContextV2""",
    "buckets in eu-central-1, and the cluster is one region": "testMakeBucketError testMakeBucketRegions",
    "forms of browsers are not built": "testPresignedPostPolicy",
    "ACLs are off": "testGetObjectACLContext",
}
NOT_BUILT = {
    "versioning comes in a later issue": """
        testPutObjectWithVersioning testRemoveMultipleObjectsWithResult testListObjectVersions testStatObjectWithVersioning
        testGetObjectWithVersioning testCopyObjectWithVersioning testConcurrentCopyObjectWithVersioning testComposeObjectWithVersioning
        testRemoveObjectWithVersioning testRemoveObjectsWithVersioning testObjectTaggingWithVersioning testRemoveObjects""",
    "policies and notifications of buckets come with their settings": "testFunctional testBucketNotification",
    "an extension of another server": "testGetObjectS3Zip",
}


def expected_outcomes():
    expected = collections.Counter((name, "PASS") for name in PASSES)
    for outcome, reasons in (("FAIL", FAILS), ("NA", NOT_BUILT)):
        for names in reasons.values():
            expected.update((name, outcome) for name in names.split())
    return expected


class MinioGo(harness.ClusterTest):
    @classmethod
    def setUpClass(cls):
        if not MINIO_GO.exists() or not os.path.exists(GO):
            raise unittest.SkipTest("Go and golang-github-minio-minio-go-v7-dev are not here (scripts/install_dependencies --test)")
        super().setUpClass()

    def build(self):
        """Offline, from Debian's packages of the source; Go keeps what it compiled beside our build."""
        work = self.cluster.base / "minio-go"
        work.mkdir()
        shutil.copyfile(MINIO_GO, work / "functional_tests.go")
        env = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "GOPROXY": "off",
               "GOTOOLCHAIN": "local", "GOCACHE": str(harness.BUILD / "go-cache"), "HOME": str(work)}
        done = subprocess.run([GO, "build", "-p", "2", "-o", "functional_tests", "functional_tests.go"], cwd=work, env=env,
                              capture_output=True, text=True, timeout=900)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return work

    def test_its_functional_tests_pass_as_listed(self):
        work = self.build()
        env = {**os.environ, "SERVER_ENDPOINT": f"127.0.0.1:{self.cluster.s3_port}", "ACCESS_KEY": self.cluster.env["AWS_ACCESS_KEY_ID"],
               "SECRET_KEY": self.cluster.env["AWS_SECRET_ACCESS_KEY"], "ENABLE_HTTPS": "0", "ENABLE_KMS": "0", "MINT_MODE": "full",
               "RUN_ON_FAIL": "1", "TMPDIR": str(work)}
        done = subprocess.run([work / "functional_tests"], cwd=work, env=env, capture_output=True, text=True, timeout=600)
        found, texts = collections.Counter(), {}
        for line in done.stdout.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            name = entry["name"].removeprefix("minio-go: ")
            found[name, entry["status"]] += 1
            texts[name, entry["status"]] = f"{entry.get('message', '')} {entry.get('error', '')}"
        expected = expected_outcomes()
        harness.log(f"minio-go: {sum(count for (_, status), count in found.items() if status == 'PASS')} passed")
        other = {key: texts[key] for key in found if found[key] != expected[key]}
        self.assertEqual((other, sorted(set(expected) - set(found))), ({}, []), done.stderr[-2000:])


class CommandLine(harness.ClusterTest):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("s3cmd") or not shutil.which("restic"):
            raise unittest.SkipTest("s3cmd and restic are not here (scripts/install_dependencies --test)")
        super().setUpClass()
        cls.work = cls.cluster.base / "work"
        cls.tree = cls.work / "tree"
        for number in range(60):
            path = cls.tree / f"dir {number % 7}" / f"file+{number} ü.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(Pattern(f"file {number}", number * 3001).bytes())
        Pattern("big", 21 * MIB + 5).write_to(cls.work / "big")
        cls.digests = harness.sha256_of_tree(cls.tree)

    def command(self, *words, env=None, timeout=300):
        done = subprocess.run([str(word) for word in words], cwd=self.work, env={**self.cluster.client_env(1), "HOME": str(self.work), **(env or {})},
                              capture_output=True, text=True, timeout=timeout)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        return done.stdout

    def s3cmd(self, *words, node=1):
        host = f"127.0.0.1:{self.cluster.s3_port + node - 1}"
        return self.command("s3cmd", "--config=/dev/null", "--no-ssl", f"--host={host}", f"--host-bucket={host}",
                            f"--access_key={self.cluster.env['AWS_ACCESS_KEY_ID']}", f"--secret_key={self.cluster.env['AWS_SECRET_ACCESS_KEY']}",
                            f"--region={self.cluster.env['AWS_DEFAULT_REGION']}", "--no-progress", *words)

    def test_s3cmd(self):
        self.s3cmd("mb", "s3://s3cmd")
        self.assertIn("s3://s3cmd", self.s3cmd("ls"))
        self.s3cmd("put", "big", "s3://s3cmd/big", "--multipart-chunk-size-mb=5")
        self.s3cmd("get", "s3://s3cmd/big", "back", "--force", node=2)
        self.assertEqual(harness.sha256_of_file(self.work / "back"), harness.sha256_of_file(self.work / "big"))
        self.s3cmd("sync", "tree/", "s3://s3cmd/tree/")
        self.assertEqual(self.s3cmd("ls", "-r", "s3://s3cmd/tree/").count("s3://"), len(self.digests))
        self.s3cmd("sync", "s3://s3cmd/tree/", "tree back/", node=3)
        self.assertEqual(harness.sha256_of_tree(self.work / "tree back"), self.digests)
        self.assertNotIn("upload:", self.s3cmd("sync", "tree/", "s3://s3cmd/tree/"))  # all of it is there
        self.s3cmd("cp", "s3://s3cmd/big", "s3://s3cmd/copy")
        self.s3cmd("mv", "s3://s3cmd/copy", "s3://s3cmd/moved")
        self.s3cmd("modify", "--add-header=x-amz-meta-colour:blue", "s3://s3cmd/moved")
        self.assertIn("blue", self.s3cmd("info", "s3://s3cmd/moved"))
        self.assertIn(str(21 * MIB + 5), self.s3cmd("ls", "s3://s3cmd/moved"))
        self.s3cmd("info", "s3://s3cmd")
        self.s3cmd("du", "s3://s3cmd")
        (self.tree / "dir 0" / "file+0 ü.bin").rename(self.work / "kept")
        try:
            self.s3cmd("sync", "--delete-removed", "tree/", "s3://s3cmd/tree/")
            self.assertEqual(self.s3cmd("ls", "-r", "s3://s3cmd/tree/").count("s3://"), len(self.digests) - 1)
        finally:
            (self.work / "kept").rename(self.tree / "dir 0" / "file+0 ü.bin")
        self.s3cmd("multipart", "s3://s3cmd")
        self.s3cmd("del", "-r", "-f", "s3://s3cmd")
        self.s3cmd("rb", "s3://s3cmd")

    def test_restic(self):
        def restic(*words, node=1):
            return self.command("restic", "--no-cache", "-r", f"s3:{self.cluster.endpoint(node)}/restic", *words, env={"RESTIC_PASSWORD": "of a test"})
        restic("init")
        restic("backup", "tree", "big")
        (self.tree / "new").write_text("new")
        try:
            restic("backup", "tree", "big", node=2)
        finally:
            (self.tree / "new").unlink()
        self.assertEqual(len(json.loads(restic("snapshots", "--json", node=3))), 2)
        restic("check", "--read-data", node=3)
        self.cluster.kill(2)
        try:
            restic("restore", "latest", "--target", "restored")
        finally:
            self.cluster.start(2)
        restored = harness.sha256_of_tree(self.work / "restored" / "tree")
        self.assertEqual({name: digest for name, digest in restored.items() if name != "new"}, self.digests)
        self.assertEqual(harness.sha256_of_file(self.work / "restored" / "big"), harness.sha256_of_file(self.work / "big"))
        restic("forget", "--keep-last", "1", "--prune")
        restic("check", "--read-data")


if __name__ == "__main__":
    harness.main()
