#!/usr/bin/env python3
"""awscli and rclone with nothing but what `demo env` prints: a tree of thousands of files, large files, sync there and back,
and the same reads with each node killed in turn."""
import os
import pathlib
import random
import shutil
import subprocess
import unittest

import harness
from harness import GIB, KIB, MIB, Pattern

FILES_MAX = 3000


def aws_programs():
    """Debian's own first, then another one of the path: their defaults differ (checksums, streaming)."""
    found = []
    for program in ("/usr/bin/aws", shutil.which("aws")):
        if program and os.path.exists(program) and os.path.realpath(program) not in map(os.path.realpath, found):
            found.append(program)
    return found


AWS = aws_programs()


def make_tree(target):
    """Some thousands of small files as people have them: those of /usr/share/doc, and made ones up to the number."""
    target.mkdir()
    count = 0
    for path in sorted(pathlib.Path("/usr/share/doc").rglob("*")):
        if count == FILES_MAX // 2:
            break
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 256 * KIB:
            copy = target / "doc" / path.relative_to("/usr/share/doc")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            count += 1
    draw = random.Random(7)
    while count < FILES_MAX:
        path = target / f"made/{count % 37:02}/{draw.randrange(8)}/file {count}+ü.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw.randbytes(draw.choice([0, 1, 100, 5000, 65535, 65536, 65537, 150_000])))
        count += 1
    return harness.sha256_of_tree(target)


class CommandLine(harness.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.work = cls.cluster.base / "files"
        cls.work.mkdir()

    def command(self, *words, node=1, timeout=900):
        done = subprocess.run([str(w) for w in words], env=self.cluster.client_env(node), capture_output=True, text=True,
                              timeout=timeout)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def with_each_node_killed(self, read):
        """read(node) through another node while one is down, and whole again before the next one goes."""
        for number in (1, 2, 3):
            harness.log("kill node", number)
            self.cluster.kill(number)
            try:
                read(number % 3 + 1)
            finally:
                self.cluster.start(number)
            self.cluster.wait_healthy()

    def aws(self, *words, program=None, **options):
        # Versions before 2.13 do not know AWS_ENDPOINT_URL.
        node = options.get("node", 1)
        return self.command(program or AWS[0], "--endpoint-url", self.cluster.endpoint(node), *words, **options)

    def rclone(self, *words, node=1, **options):
        env = self.cluster.env
        remote = ["--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", self.cluster.endpoint(node), "--s3-region",
                  env["AWS_DEFAULT_REGION"], "--s3-force-path-style"]
        return self.command("rclone", *words, *remote, node=node, **options)


@unittest.skipUnless(AWS, "awscli is not installed (scripts/install_dependencies --test)")
class Aws(CommandLine):
    def test_the_first_object_of_the_readme_with_every_awscli_that_is_here(self):
        (self.work / "hello").write_text("hello\n")
        Pattern("aws 40 MiB", 40 * MIB + 9).write_to(self.work / "parts")
        for program in AWS:
            harness.log(program, self.command(program, "--version").strip())
            self.aws("s3", "mb", "s3://first", program=program)
            self.aws("s3", "cp", self.work / "hello", "s3://first/hello", program=program)
            self.assertEqual(self.aws("s3", "cp", "s3://first/hello", "-", node=2, program=program), "hello\n")
            self.assertIn("hello", self.aws("s3", "ls", "s3://first/", node=3, program=program))
            self.aws("s3", "cp", "--only-show-errors", self.work / "parts", "s3://first/parts", program=program)
            self.aws("s3", "cp", "--only-show-errors", "s3://first/parts", self.work / "parts.back", node=2, program=program)
            self.assertEqual(harness.sha256_of_file(self.work / "parts.back"), Pattern("aws 40 MiB", 40 * MIB + 9).sha256())
            self.aws("s3", "rb", "--force", "s3://first", program=program)

    def test_a_tree_is_synced_there_and_back(self):
        self.aws("s3", "mb", "s3://tree")
        there, back = self.work / "there", self.work / "back"
        made = make_tree(there)
        self.aws("s3", "sync", "--only-show-errors", there, "s3://tree/a")
        self.aws("s3", "sync", "--only-show-errors", "s3://tree/a", back, node=2)
        self.assertEqual(harness.sha256_of_tree(back), made)

        def read(node):
            shutil.rmtree(back)
            self.aws("s3", "sync", "--only-show-errors", "s3://tree/a", back, node=node)
            self.assertEqual(harness.sha256_of_tree(back), made)
        self.with_each_node_killed(read)
        # Nothing has changed, so nothing is sent.
        self.assertEqual(self.aws("s3", "sync", "--dryrun", there, "s3://tree/a", node=3).strip(), "")
        name = next(iter(made))
        (there / name).write_bytes(b"another content, another length")
        changed = self.aws("s3", "sync", there, "s3://tree/a")
        self.assertEqual(changed.count("upload:"), 1, changed)
        listed = self.aws("s3", "ls", "--recursive", "s3://tree/a/", node=2).splitlines()
        self.assertEqual(len(listed), len(made))
        self.aws("s3", "rm", "--recursive", "--only-show-errors", "s3://tree/a")
        self.assertEqual(self.aws("s3api", "list-objects-v2", "--bucket", "tree", "--no-paginate", "--query", "KeyCount").strip(), "0")
        shutil.rmtree(there)
        shutil.rmtree(back)

    def test_a_gibibyte_through_multipart(self):
        self.aws("s3", "mb", "s3://large")
        pattern = Pattern("aws 1 GiB", GIB)
        path, back = self.work / "large", self.work / "large.back"
        pattern.write_to(path)
        self.aws("s3", "cp", "--only-show-errors", path, "s3://large/gib")
        path.unlink()

        def read(node):
            self.aws("s3", "cp", "--only-show-errors", "s3://large/gib", back, node=node)
            self.assertEqual(harness.sha256_of_file(back), pattern.sha256())
            back.unlink()
        read(3)
        self.with_each_node_killed(read)
        self.aws("s3", "rm", "--only-show-errors", "s3://large/gib")


@unittest.skipUnless(shutil.which("rclone"), "rclone is not installed (scripts/install_dependencies --test)")
class Rclone(CommandLine):
    def test_a_tree_is_synced_checked_and_copied_back(self):
        there, back = self.work / "there", self.work / "back"
        made = make_tree(there)
        self.rclone("mkdir", ":s3:rclone")
        self.rclone("sync", there, ":s3:rclone/tree", "--transfers", 8)
        self.rclone("check", there, ":s3:rclone/tree", "--checkers", 8, node=2)
        self.rclone("copy", ":s3:rclone/tree", back, "--transfers", 8, node=3)
        self.assertEqual(harness.sha256_of_tree(back), made)
        self.assertEqual(len(self.rclone("lsf", "-R", "--files-only", ":s3:rclone/tree").splitlines()), len(made))
        self.rclone("purge", ":s3:rclone")
        shutil.rmtree(there)
        shutil.rmtree(back)

    def test_files_of_the_sizes_that_matter(self):
        there, back = self.work / "sizes", self.work / "sizes.back"
        there.mkdir()
        for size in (0, 1, 64 * KIB - 1, 64 * KIB + 1, 32 * MIB - 1, 32 * MIB + 1, 200 * MIB):
            Pattern(("rclone", size), size).write_to(there / f"{size}.bin")
        made = harness.sha256_of_tree(there)
        self.rclone("mkdir", ":s3:sizes")
        self.rclone("copy", there, ":s3:sizes", "--s3-upload-cutoff", "64M", "--s3-chunk-size", "8M")
        shutil.rmtree(there)

        def read(node):
            self.rclone("copy", ":s3:sizes", back, node=node)
            self.assertEqual(harness.sha256_of_tree(back), made)
            shutil.rmtree(back)
        read(2)
        self.with_each_node_killed(read)


del CommandLine  # not a test itself

if __name__ == "__main__":
    harness.main()
