"""What every end-to-end test shares: a cluster of real processes in a directory of its own, clients, bytes, and a ledger of
what was acknowledged.

The clusters are made by `predastore demo --detach` and driven by its other commands, as people do it. Everything is on
loopback, on ports that were free a moment before.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("PREDASTORE_BUILD", ROOT / "build" / "release"))
BINARY = BUILD / "predastore"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CLUSTER_BELOW, ADMIN_BELOW = 1300, 1200  # of the S3 port, as docs/operations.md says


def log(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def wait_for(what, condition, seconds):
    """Polls until `condition` gives something true, and returns it. The time is a bound for a cluster that hangs, never a measure."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.2)


# ---- ports ----

def _is_free(kind, port):
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_s3_port(count):
    """A port p so that the S3, cluster and administration ports of `count` nodes are free, below the ephemeral range."""
    start = 12000 + (os.getpid() * 97) % 15000
    for offset in range(0, 15000, 40):
        port = 12000 + (start - 12000 + offset) % 15000
        if all(_is_free(socket.SOCK_STREAM, port + i) and _is_free(socket.SOCK_STREAM, port - ADMIN_BELOW + i) and
               _is_free(socket.SOCK_DGRAM, port - CLUSTER_BELOW + i) for i in range(count)):
            return port
    raise RuntimeError("no free ports")


# ---- bytes that can be made again and need no memory ----

class Pattern:
    """`size` bytes determined by `seed`: a file-like object and an iterator of blocks. No two MiB of it are alike."""

    def __init__(self, seed, size):
        self.seed, self.size, self.at = seed, size, 0
        self.base = hashlib.shake_256(f"pattern {seed}".encode()).digest(MIB)

    def block(self, index):
        return index.to_bytes(8, "little") + self.base[8:]

    def read(self, count=-1):
        if count is None or count < 0:
            count = self.size - self.at
        count = min(count, self.size - self.at)
        pieces, left = [], count
        while left > 0:
            index, skip = divmod(self.at, MIB)
            piece = self.block(index)[skip:skip + left]
            pieces.append(piece)
            self.at += len(piece)
            left -= len(piece)
        return b"".join(pieces)

    def seek(self, offset, whence=0):
        self.at = {0: 0, 1: self.at, 2: self.size}[whence] + offset
        return self.at

    def tell(self):
        return self.at

    def __len__(self):
        return self.size

    def seekable(self):
        return True

    def bytes(self):
        self.at = 0
        return self.read()

    def sha256(self):
        digest, saved = hashlib.sha256(), self.at
        self.at = 0
        while piece := self.read(4 * MIB):
            digest.update(piece)
        self.at = saved
        return digest.hexdigest()

    def write_to(self, path):
        self.at = 0
        with open(path, "wb") as out:
            while piece := self.read(4 * MIB):
                out.write(piece)


def sha256_of_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        while piece := source.read(4 * MIB):
            digest.update(piece)
    return digest.hexdigest()


def sha256_of_stream(stream):
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(4 * MIB):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def sha256_of_tree(directory):
    """{relative path: sha256} of all regular files; symbolic links are left out."""
    found = {}
    for path in sorted(pathlib.Path(directory).rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[str(path.relative_to(directory))] = sha256_of_file(path)
    return found


# ---- the cluster ----

class Cluster:
    def __init__(self, nodes=3, rs="2+1", drive_capacity=None, name="demo", tls=False, drives=None, settings=None):
        self.nodes = nodes
        self.tls = tls
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="predastore-e2e-"))
        self.dir = self.base / name
        self.s3_port = free_s3_port(nodes)
        options = ["--nodes", str(nodes), "--rs", rs, "--s3-port", str(self.s3_port)]
        if drive_capacity:
            options += ["--drive-capacity", drive_capacity]
        if drives:
            options += ["--drives", str(drives)]
        if tls:
            options += ["--tls"]
        if settings:  # more sections of every node's configuration
            (self.base / "settings.toml").write_text(settings)
            options += ["--settings", str(self.base / "settings.toml")]
        log(f"starting a cluster of {nodes} nodes in {self.dir}, S3 from port {self.s3_port}")
        self.demo(*options, "--detach", timeout=180)
        self.env = self.read_env()

    # -- commands --

    def run(self, *words, timeout=60, check=True):
        done = subprocess.run([str(BINARY), *map(str, words)], capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"predastore {' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def demo(self, *words, **options):
        return self.run("demo", *words, "--dir", self.dir, **options)

    def read_env(self):
        text = self.demo("env").stdout
        assert text.startswith("export "), text
        return dict(word.split("=", 1) for word in text[len("export "):].split())

    def kill(self, number):
        self.demo("kill", number)

    def start(self, number):
        self.demo("start", number, timeout=180)

    def pause(self, number):
        self.demo("pause", number)

    def resume(self, number):
        self.demo("resume", number)

    def stop(self):
        self.demo("stop", timeout=120)

    def start_all(self):
        self.demo("--detach", timeout=180)

    def status(self):
        """(exit code, the parsed JSON)"""
        done = self.run("status", "--output", "json", "--dir", self.dir, check=False)
        return done.returncode, json.loads(done.stdout)

    def wait_healthy(self, seconds=180):
        last = [None]

        def healthy():
            code, last[0] = self.status()
            return code == 0 and last[0]["state"] == "healthy"
        try:
            wait_for("the cluster is healthy", healthy, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; status: {json.dumps(last[0])}") from None
        return last[0]

    # -- processes and files --

    def pid(self, number):
        return int((self.dir / f"n{number}" / "server.pid").read_text())

    def is_running(self, number):
        try:
            command = pathlib.Path(f"/proc/{self.pid(number)}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return b"server" in command  # a process that ended and waits for its parent has none

    def pids(self):
        return {number: self.pid(number) for number in range(1, self.nodes + 1)}

    def log_file(self, number):
        return self.dir / f"n{number}" / "server.log"

    def endpoint(self, number=1):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.s3_port + number - 1}"

    @property
    def s3_ca(self):
        return self.dir / "s3_ca.pem"

    def client_env(self, number=1):
        """The environment for command line clients of node `number`: only what `demo env` says, and a home without settings."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RCLONE_"))}
        env.update(self.env)
        env["AWS_ENDPOINT_URL"] = self.endpoint(number)
        home = self.base / "home"
        home.mkdir(exist_ok=True)
        env.update(AWS_CONFIG_FILE=str(home / "aws-config"), AWS_SHARED_CREDENTIALS_FILE=str(home / "aws-credentials"),
                   AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="", RCLONE_CONFIG=str(home / "rclone.conf"))
        return env

    def boto3(self, number=1, **options):
        import boto3
        from botocore.config import Config
        # Debian 12's boto3 does not know AWS_ENDPOINT_URL, so the endpoint is always given.
        settings = dict(retries={"max_attempts": 1, "mode": "standard"}, read_timeout=120, connect_timeout=10,
                        signature_version="s3v4")  # old ones presign with version 2 otherwise
        settings.update(options.pop("config", {}))
        if self.tls:
            options.setdefault("verify", str(self.s3_ca))
        return boto3.client("s3", endpoint_url=options.pop("endpoint_url", self.endpoint(number)),
                            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
                            region_name=self.env["AWS_DEFAULT_REGION"], config=Config(**settings), **options)

    # -- the end --

    def close(self, failed=False):
        with contextlib.suppress(Exception):
            self.stop()
        for number in range(1, self.nodes + 1):  # whatever stop could not do
            with contextlib.suppress(Exception):
                pid = self.pid(number)
                if str(self.dir).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        if failed or os.environ.get("PREDASTORE_KEEP"):
            kept = BUILD / "e2e-logs" / f"{pathlib.Path(sys.argv[0]).stem}-{self.base.name}"
            kept.mkdir(parents=True, exist_ok=True)
            for number in range(1, self.nodes + 1):
                with contextlib.suppress(OSError):
                    shutil.copy(self.log_file(number), kept / f"n{number}.log")
            log(f"logs of the servers: {kept}")
        shutil.rmtree(self.base, ignore_errors=True)


def resident_bytes(pid):
    """(now, highest so far) of a process."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M).group(1)) * KIB for key in ("VmRSS", "VmHWM"))


# ---- the ledger: what was acknowledged must be read, bit for bit ----

class Ledger:
    def __init__(self):
        self.objects = {}  # (bucket, key): (sha256, size)
        self.lock = threading.Lock()

    def put(self, client, bucket, key, pattern, **extra):
        client.put_object(Bucket=bucket, Key=key, Body=pattern.bytes(), **extra)
        self.note(bucket, key, pattern.sha256(), pattern.size)

    def note(self, bucket, key, sha256, size):
        with self.lock:
            self.objects[bucket, key] = sha256, size

    def delete(self, client, bucket, key):
        client.delete_object(Bucket=bucket, Key=key)
        with self.lock:
            self.objects.pop((bucket, key), None)

    def verify(self, client, where=""):
        """Every object, whole. Returns how many."""
        for (bucket, key), (sha256, size) in sorted(self.objects.items()):
            try:
                answer = client.get_object(Bucket=bucket, Key=key)
                found, length = sha256_of_stream(answer["Body"])
            except Exception as error:
                raise AssertionError(f"{bucket}/{key} cannot be read {where}: {error!r}") from error
            if (found, length) != (sha256, size):
                raise AssertionError(f"{bucket}/{key} reads back other bytes {where}: {length} bytes {found}, "
                                     f"put were {size} bytes {sha256}")
        return len(self.objects)


# ---- tests ----

class ClusterTest(unittest.TestCase):
    """One cluster for all tests of a class. Options of the cluster: the class attribute `cluster_options`."""
    cluster_options = {}
    _failures_before = 0

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(**cls.cluster_options)
        cls.failed = False
        cls.addClassCleanup(lambda: cls.cluster.close(failed=cls.failed))  # also when what follows fails
        cls.s3 = cls.cluster.boto3(1)

    def run(self, result=None):
        result = result if result is not None else self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        log(f"{type(self).__name__}.{self._testMethodName}")
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            type(self).failed = True
        return result

    def bucket(self, name=None):
        name = name or re.sub(r"[^a-z0-9]+", "-", self._testMethodName.lower()).strip("-")[:60]
        self.s3.create_bucket(Bucket=name)
        return name


def main():
    if not BINARY.exists():
        sys.exit(f"{BINARY} is not there: build first (scripts/build)")
    unittest.main(verbosity=2, failfast=False)
