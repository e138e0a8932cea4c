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
HERE = pathlib.Path(__file__).resolve().parent


def install():
    """Into the build folder, once. None when npm cannot get them."""
    target = harness.BUILD / "e2e-node"
    if not (target / "node_modules" / "@aws-sdk" / "lib-storage").exists():
        target.mkdir(parents=True, exist_ok=True)
        (target / "package.json").write_text('{"private": true, "type": "module"}\n')
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *PACKAGES], cwd=target, text=True,
                              capture_output=True, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
    shutil.copy(HERE / "js" / "client.mjs", target / "client.mjs")
    return target / "client.mjs"


@unittest.skipUnless(shutil.which("node") and shutil.which("npm"), "node and npm are not installed")
class Sdk(harness.ClusterTest):
    def test_the_aws_sdk_for_javascript(self):
        script = install()
        env = self.cluster.client_env(1)
        env["OTHER_ENDPOINT_URL"] = self.cluster.endpoint(2)
        done = subprocess.run(["node", str(script)], env=env, capture_output=True, text=True, timeout=600)
        sys.stderr.write(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    harness.main()
