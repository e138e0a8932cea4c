#!/usr/bin/env python3
"""The command line: exit codes, messages, status, side by side clusters, certificates, the administration port."""
import json
import pathlib
import re
import socket
import ssl
import subprocess
import tempfile
import unittest
import urllib.request

import harness


class WithoutCluster(unittest.TestCase):
    def run_it(self, *words):
        return subprocess.run([str(harness.BINARY), *map(str, words)], capture_output=True, text=True, timeout=60)

    def test_usage_errors_exit_with_2(self):
        for words in ((), ("nothing",), ("demo", "--nodes", "x"), ("demo", "kill"), ("status", "--output", "xml"), ("server",)):
            self.assertEqual(self.run_it(*words).returncode, 2, words)

    def test_help_has_examples(self):
        for words in (("--help",), ("demo", "--help"), ("status", "--help"), ("server", "--help")):
            done = self.run_it(*words)
            self.assertEqual(done.returncode, 0)
            self.assertIn("EXAMPLES", done.stdout)

    def test_version(self):
        self.assertRegex(self.run_it("version").stdout, r"^predastore \d+\.\d+\.\d+\n$")

    def test_a_demo_that_cannot_be_is_refused_and_makes_nothing(self):
        with tempfile.TemporaryDirectory() as base:
            for options in (("--nodes", "2"), ("--rs", "3+2"), ("--rs", "two"), ("--s3-port", "80")):
                done = self.run_it("demo", *options, "--dir", f"{base}/demo", "--detach")
                self.assertEqual(done.returncode, 2, (options, done.stderr))
                self.assertFalse(pathlib.Path(base, "demo").exists())
            self.assertEqual(self.run_it("demo", "stop", "--dir", f"{base}/none").returncode, 4)
            self.assertEqual(self.run_it("status", "--dir", f"{base}/none").returncode, 4)
            pathlib.Path(base, "mine").mkdir()
            pathlib.Path(base, "mine", "file").write_text("x")
            self.assertEqual(self.run_it("demo", "--dir", f"{base}/mine", "--detach").returncode, 1)
            self.assertEqual([p.name for p in pathlib.Path(base, "mine").iterdir()], ["file"])

    def test_config_check_tells_all_errors_with_line_and_column(self):
        with tempfile.TemporaryDirectory() as base:
            path = pathlib.Path(base, "predastore.toml")
            path.write_text('[cluster]\nid = "xyz"\nparty = 1\n[rs]\ndata = 4\n[listen]\ns3 = "nowhere"\n')
            done = self.run_it("config", "check", path)
            self.assertEqual(done.returncode, 3)
            lines = done.stderr.splitlines()
            for line in lines[:-1]:
                self.assertRegex(line, rf"^{re.escape(str(path))}:\d+:\d+: error: ")
            self.assertIn("unknown key \"party\"", done.stderr)
            self.assertIn(f"{path}:7:6", done.stderr)
            self.assertGreater(len(lines), 5)
            self.assertEqual(self.run_it("server", "--config", path).returncode, 3)
            self.assertEqual(self.run_it("config", "check", f"{base}/none").returncode, 4)

    def test_certificates_for_real_hosts(self):
        with tempfile.TemporaryDirectory() as base:
            self.assertEqual(self.run_it("cert", "init", "--dir", base).returncode, 0)
            self.assertEqual(self.run_it("cert", "init", "--dir", base).returncode, 1)  # never overwritten
            done = self.run_it("cert", "issue", "--dir", base, "--host", "10.0.0.1", "--out", f"{base}/n1")
            self.assertEqual(done.returncode, 0, done.stderr)
            node = re.search(r"node id +([0-9a-f]{16})", done.stdout).group(1)
            self.assertIn(node, self.run_it("cert", "show", f"{base}/n1.pem").stdout)
            for name in ("ca.key", "n1.key"):
                self.assertEqual(pathlib.Path(base, name).stat().st_mode & 0o777, 0o600)


class WithCluster(harness.ClusterTest):
    def test_status_for_people_and_for_programs(self):
        self.cluster.wait_healthy()
        done = self.cluster.run("status", "--dir", self.cluster.dir)
        self.assertIn("HEALTHY", done.stdout)
        self.assertRegex(done.stdout, r"leader n[123], term \d+")
        code, status = self.cluster.status()
        self.assertEqual(code, 0)
        for key in ("state", "nodes", "leader", "term", "readable", "failures_left", "repair_pending"):
            self.assertIn(key, status)
        config = self.cluster.dir / "n2" / "predastore.toml"
        self.assertEqual(self.cluster.run("status", "--config", config, "--output", "json").returncode, 0)
        self.assertEqual(self.cluster.run("config", "check", config).returncode, 0)

    def test_a_second_demo_runs_beside_the_first(self):
        other = harness.Cluster()
        try:
            self.assertNotEqual(other.env["AWS_ACCESS_KEY_ID"], self.cluster.env["AWS_ACCESS_KEY_ID"])
            self.assertNotEqual(other.env["AWS_SECRET_ACCESS_KEY"], self.cluster.env["AWS_SECRET_ACCESS_KEY"])
            other.boto3(1).create_bucket(Bucket="beside")
            self.assertNotIn("beside", [b["Name"] for b in self.s3.list_buckets()["Buckets"]])
        finally:
            other.close()

    def test_another_shape_for_a_cluster_that_exists_is_refused(self):
        for options in (("--nodes", "5"), ("--rs", "1+1"), ("--s3-port", "9999")):
            self.assertEqual(self.cluster.demo(*options, "--detach", check=False).returncode, 2, options)

    def test_starting_what_runs_and_killing_what_does_not(self):
        self.assertEqual(self.cluster.demo("start", 1, check=False).returncode, 1)
        self.cluster.kill(3)
        self.assertEqual(self.cluster.demo("kill", 3, check=False).returncode, 4)
        self.assertEqual(self.cluster.demo("pause", 3, check=False).returncode, 4)
        self.assertEqual(self.cluster.demo("kill", 9, check=False).returncode, 4)
        self.cluster.start(3)
        self.cluster.wait_healthy()

    def test_the_administration_port_wants_a_certificate_of_this_cluster(self):
        port = self.cluster.s3_port - harness.ADMIN_BELOW
        stranger = ssl.create_default_context(cafile=self.cluster.dir / "ca.pem")
        stranger.check_hostname = False
        with self.assertRaises(OSError):
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/v1/status", context=stranger, timeout=10) as answer:
                answer.read()
        with self.assertRaises(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/status", timeout=10).read()
        node = self.cluster.dir / "n3"
        member = ssl.create_default_context(cafile=self.cluster.dir / "ca.pem")
        member.load_cert_chain(node / "node.pem", node / "node.key")
        member.check_hostname = False
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/v1/status", context=member, timeout=10) as answer:
            self.assertEqual(len(json.load(answer)["nodes"]), 3)
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/health", context=member, timeout=10) as answer:
            self.assertEqual(json.load(answer), {"serving": True})

        def metrics():
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/metrics", context=member, timeout=10) as answer:
                return answer.read().decode()
        # This very node may still be trying its old connection to one that another test has started again.
        harness.wait_for("three nodes in the metrics", lambda: 'predastore_cluster_nodes{state="up"} 3' in metrics(), 60)
        text = metrics()
        self.assertIn("# TYPE predastore_drive_written_bytes_total counter", text)
        with self.assertRaises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"https://127.0.0.1:{port}/nothing", context=member, timeout=10)
        self.assertEqual(error.exception.code, 404)

    def test_a_round_trip_through_every_node(self):
        self.assertIn("all good", self.cluster.demo("check").stdout)

    def test_the_benchmark_moves_the_right_bytes_in_every_mode(self):
        sizes = {"list": "0", "multipart": "11MiB", "mixed": "4KiB:70,300KiB:30"}
        for mode in ("put", "get", "mixed", "list", "stat", "delete", "multipart", "ranged", "hot-key"):
            done = self.cluster.run("bench", mode, "--dir", self.cluster.dir, "--size", sizes.get(mode, "300KiB"), "--objects", 20,
                                    "--concurrency", 4, "--duration", "1s", "--warm-up", "100ms", "--part-size", "5MiB",
                                    "--payload", "signed" if mode == "put" else "unsigned", "--verify", "--output", "json")
            answer = json.loads(done.stdout)
            self.assertEqual(answer["errors"], {}, mode)
            self.assertGreater(answer["operations"]["get" if mode in ("mixed", "hot-key") else mode]["requests"], 0, mode)
        left = self.cluster.boto3().list_objects_v2(Bucket="predastore-bench")
        self.assertEqual(left["KeyCount"], 0)
        refused = self.cluster.run("bench", "get", "--dir", self.cluster.dir, "--size", "many", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("64KiB", refused.stderr)

    def test_a_foreign_datagram_on_the_cluster_port_is_no_event(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for payload in (b"", b"x", b"\xc0" + b"\0" * 1199, bytes(range(256)) * 4):
                stranger.sendto(payload, ("127.0.0.1", self.cluster.s3_port - harness.CLUSTER_BELOW))
        self.assertIn("all good", self.cluster.demo("check").stdout)


if __name__ == "__main__":
    harness.main()
