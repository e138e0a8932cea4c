#!/usr/bin/env python3
"""S3 over HTTPS: real clients with a private authority, certificates that are exchanged while connections live, and buckets as
host names."""
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import unittest.mock

import botocore.exceptions

import harness

DOMAIN = "s3.example.test"


class Https(harness.ClusterTest):
    cluster_options = {"tls": True}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old = {}  # the pairs that the nodes had when the cluster was made, in files of their own
        (cls.cluster.base / "old").mkdir()
        for node in (1, 2, 3):
            cls.old[node] = tuple(cls.cluster.base / "old" / f"n{node}.{end}" for end in ("pem", "key"))
            for saved in cls.old[node]:
                saved.write_bytes((cls.cluster.dir / f"n{node}" / f"s3{saved.suffix}").read_bytes())

    # -- certificates --

    def authority(self, name):
        """A new authority; returns (its certificate, a function that issues NAME.pem and NAME.key)."""
        base = self.cluster.base / name
        base.mkdir()
        self.cluster.run("cert", "init", "--dir", base)

        def issue(out, *hosts):
            words = [word for host in hosts for word in ("--host", host)]
            self.cluster.run("cert", "issue", "--dir", base, *words, "--out", base / out)
            return base / f"{out}.pem", base / f"{out}.key"
        return base / "ca.pem", issue

    def install(self, node, certificate, key):
        """As tools that renew certificates do it: one file after the other."""
        for source, name in ((certificate, "s3.pem"), (key, "s3.key")):
            target = self.cluster.dir / f"n{node}" / name
            fresh = target.with_suffix(".new")
            fresh.write_bytes(source.read_bytes())
            fresh.rename(target)

    def handshake(self, node, ca):
        """Whether the node shows a certificate that `ca` has signed."""
        context = ssl.create_default_context(cafile=ca)
        try:
            with socket.create_connection(("127.0.0.1", self.cluster.s3_port + node - 1), timeout=10) as plain, \
                    context.wrap_socket(plain, server_hostname="127.0.0.1"):
                return True
        except ssl.SSLCertVerificationError:
            return False

    # -- tests --

    def test_boto3_with_every_kind_of_body(self):
        bucket = self.bucket()
        pattern = harness.Pattern("https", 9 * harness.MIB + 5)
        for node in (1, 2, 3):
            client = self.cluster.boto3(node)
            client.put_object(Bucket=bucket, Key="bytes", Body=b"hello")
            self.assertEqual(client.get_object(Bucket=bucket, Key="bytes")["Body"].read(), b"hello")
        pattern.seek(0)
        self.s3.upload_fileobj(pattern, bucket, "parts")
        digest, size = harness.sha256_of_stream(self.cluster.boto3(2).get_object(Bucket=bucket, Key="parts")["Body"])
        self.assertEqual((digest, size), (pattern.sha256(), pattern.size))
        url = self.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "bytes"})
        self.assertTrue(url.startswith("https://"))
        with http_get(url, self.cluster.s3_ca) as answer:
            self.assertEqual(answer.read(), b"hello")

    def test_awscli_with_what_demo_env_says(self):
        bucket = self.bucket()
        for command in (["cp", "-", f"s3://{bucket}/x"], ["cp", f"s3://{bucket}/x", "-"]):
            done = subprocess.run(["aws", "s3", *command], input=b"over https", env=self.cluster.client_env(2), capture_output=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, b"over https")

    def test_the_demo_itself_and_its_nodes(self):
        self.assertIn("all good", self.cluster.demo("check").stdout)
        self.cluster.kill(3)
        self.cluster.start(3)
        self.assertIn("AWS_CA_BUNDLE=", self.cluster.demo("env").stdout)

    def test_who_does_not_trust_the_authority_and_who_speaks_plain_http_get_nothing(self):
        with self.assertRaises(botocore.exceptions.SSLError):
            self.cluster.boto3(1, verify=str(self.cluster.dir / "ca.pem")).list_buckets()
        plain = http.client.HTTPConnection("127.0.0.1", self.cluster.s3_port, timeout=20)
        with self.assertRaises((http.client.HTTPException, OSError)):
            plain.request("GET", "/")
            plain.getresponse()
        self.s3.list_buckets()

    def test_a_new_certificate_is_taken_without_a_restart_and_old_connections_go_on(self):
        bucket = self.bucket()
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"x" * harness.MIB)
        pids = self.cluster.pids()
        old_ca = self.cluster.s3_ca
        kept = http.client.HTTPSConnection("127.0.0.1", self.cluster.s3_port, timeout=60, context=ssl.create_default_context(cafile=old_ca))
        target = presigned_target(self.s3, bucket, "k")
        kept.request("GET", target)
        half_read = kept.getresponse()
        self.assertEqual(half_read.status, 200)
        half_read.read(1000)
        new_ca, issue = self.authority("renewed")
        pair = issue("node", "127.0.0.1", "localhost")
        self.assertFalse(self.handshake(1, new_ca))
        self.install(1, *pair)
        harness.wait_for("node 1 shows the new certificate", lambda: self.handshake(1, new_ca), 30)
        self.assertFalse(self.handshake(1, old_ca))
        self.assertEqual(len(half_read.read()), harness.MIB - 1000)  # what was under way
        kept.request("GET", target)  # and the same connection once more
        self.assertEqual(len(kept.getresponse().read()), harness.MIB)
        kept.close()
        self.assertEqual(self.cluster.boto3(1, verify=str(new_ca)).get_object(Bucket=bucket, Key="k")["ContentLength"], harness.MIB)
        self.assertEqual(self.cluster.pids(), pids)
        # A SIGHUP has it looked at, and ends nothing.
        self.install(2, *pair)
        os.kill(self.cluster.pid(2), signal.SIGHUP)
        harness.wait_for("node 2 shows the new certificate", lambda: self.handshake(2, new_ca), 30)
        os.kill(self.cluster.pid(2), signal.SIGHUP)
        self.cluster.boto3(2, verify=str(new_ca)).list_buckets()
        # Back to what the other tests trust, from files that went bad on the way.
        for node in (1, 2):
            (self.cluster.dir / f"n{node}" / "s3.key").write_text("no key")
            harness.wait_for("the bad pair is seen", lambda: "cannot use the new S3 certificate" in self.cluster.log_file(node).read_text(), 30)
            self.assertTrue(self.handshake(node, new_ca))  # the last good one stays
            self.install(node, *self.old[node])
            harness.wait_for("and so is the good one", lambda: self.handshake(node, old_ca), 30)

    def test_buckets_as_host_names(self):
        names = f"*.{DOMAIN}", DOMAIN, "127.0.0.1"
        ca, issue = self.authority("domain")
        self.cluster.kill(3)
        config = self.cluster.dir / "n3" / "predastore.toml"
        text = config.read_text()
        trusted = self.cluster.s3_ca.read_text()
        try:
            self.install(3, *issue("node", *names))
            config.write_text(re.sub(r"(?m)^region = ", f'domains = ["{DOMAIN}"]\nregion = ', text))
            self.cluster.s3_ca.write_text(ca.read_text() + trusted)
            self.cluster.start(3)
            self.virtual_host_style(ca)
        finally:
            self.cluster.demo("kill", 3, check=False)
            config.write_text(text)
            self.install(3, *self.old[3])
            self.cluster.s3_ca.write_text(trusted)
            self.cluster.start(3)

    def virtual_host_style(self, ca):
        found, resolve = [], socket.getaddrinfo

        def everything_here(host, *words, **options):
            found.append(host)
            return resolve("127.0.0.1", *words, **options)
        with unittest.mock.patch("socket.getaddrinfo", everything_here):
            client = self.cluster.boto3(3, endpoint_url=f"https://{DOMAIN}:{self.cluster.s3_port + 2}", verify=str(ca),
                                        config={"s3": {"addressing_style": "virtual"}})
            client.create_bucket(Bucket="as-host")
            self.assertIn(f"as-host.{DOMAIN}", found)
            for key in ("k", "a/b", "//", "ü &+%"):
                client.put_object(Bucket="as-host", Key=key, Body=key.encode())
                self.assertEqual(client.get_object(Bucket="as-host", Key=key)["Body"].read(), key.encode())
            listed = [entry["Key"] for entry in client.list_objects_v2(Bucket="as-host")["Contents"]]
            self.assertEqual(listed, sorted(("k", "a/b", "//", "ü &+%"), key=lambda key: key.encode()))
            self.assertIn("as-host", [bucket["Name"] for bucket in client.list_buckets()["Buckets"]])
            url = client.generate_presigned_url("get_object", Params={"Bucket": "as-host", "Key": "k"})
            self.assertIn(f"as-host.{DOMAIN}", url)
            with http_get(url, ca) as answer:
                self.assertEqual(answer.read(), b"k")
            for key in listed:
                client.delete_object(Bucket="as-host", Key=key)
            client.delete_bucket(Bucket="as-host")


def http_get(url, ca):
    import urllib.request
    return urllib.request.urlopen(url, context=ssl.create_default_context(cafile=ca), timeout=60)


def presigned_target(client, bucket, key):
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    return "/" + url.split("/", 3)[3]


if __name__ == "__main__":
    harness.main()
