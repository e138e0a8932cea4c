#!/usr/bin/env python3
"""What a drive does beside the raw disk under it, as one table: append, group commit, reads, rebuild, scrub and compaction, by
threads and by io_uring. Takes two to three minutes. docs/design/shard_benchmarks.md says what is measured.

    ninja -C build/release bench_shard_shard
    python3 tools/shard_table.py [--dir DIRECTORY_ON_THE_DRIVE] [--build build/release] [--repetitions 1] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Name of the benchmark with {} for the backend, counter, what it is, digits.
ROWS = [
    ("append, 4 shards of 16 MiB at a time, MB/s", "append_stream/{}", "MBps", 0),
    ("  of raw writes of 4 MiB, each synced", "append_stream/{}", "of_raw", 2),
    ("shards of 10 KiB a second, 1 under way", "small_commits/{}/1", "shards_ps", 0),
    ("  16 under way", "small_commits/{}/16", "shards_ps", 0),
    ("  64 under way", "small_commits/{}/64", "shards_ps", 0),
    ("  256 under way", "small_commits/{}/256", "shards_ps", 0),
    ("  256: shards a sync", "small_commits/{}/256", "shards_a_sync", 0),
    ("  256: times one write and sync a shard (raw)", "small_commits/{}/256", "of_raw", 1),
    ("read of 64 KiB, cached, p50 us", "read_segment/{}", "p50_us", 1),
    ("  p99 us", "read_segment/{}", "p99_us", 1),
    ("  reads a second, of raw", "read_segment/{}", "of_raw", 2),
    ("read of whole shards, cached, MB/s", "read_shard/{}", "MBps", 0),
    ("  of raw reads of 1 MiB", "read_shard/{}", "of_raw", 2),
    ("read of 64 KiB beside 64 writers, p50 us", "read_beside_writer/{}", "p50_us", 1),
    ("  p99 us", "read_beside_writer/{}", "p99_us", 1),
    ("  while a group commit took, us", "read_beside_writer/{}", "commit_us", 0),
    ("rebuild of the index from footers, shards/s", "rebuild/{}/0", "shards_ps", 0),
    ("  MB of shard files a second", "rebuild/{}/0", "MBps", 0),
    ("rebuild by a scan, shards/s", "rebuild/{}/1", "shards_ps", 0),
    ("  MB/s", "rebuild/{}/1", "MBps", 0),
    ("  of raw cached reads", "rebuild/{}/1", "of_raw", 2),
    ("scrub, cached, MB/s", "scrub/{}", "MBps", 0),
    ("  of raw cached reads", "scrub/{}", "of_raw", 2),
    ("compaction of half-empty files, copied MB/s", "compaction/{}", "copied_MBps", 0),
    ("  of raw writes", "compaction/{}", "of_raw", 2),
    ("  used over live, afterwards", "compaction/{}", "used_over_live", 2),
]
RAW = [
    ("writes of 4 MiB, each synced, MB/s", "write_MBps", 0),
    ("writes of 12 KiB, each synced, a second", "syncs_ps", 0),
    ("reads of 1 MiB past the cache, MB/s", "direct_read_MBps", 0),
    ("reads of 1 MiB from the cache, MB/s", "cached_read_MBps", 0),
    ("reads of 64 KiB from the cache, a second", "cached_64KiB_reads_ps", 0),
]


def measure(options):
    program = pathlib.Path(options.build) / "src" / "bench_shard_shard"
    if not program.exists():
        sys.exit(f"{program} is not there: ninja -C {options.build} bench_shard_shard")
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [str(program), f"--benchmark_out={out.name}", "--benchmark_out_format=json",
                   f"--benchmark_repetitions={options.repetitions}"]
        done = subprocess.run(command, env={**os.environ, "PREDASTORE_BENCH_DIR": options.dir},
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"bench_shard_shard: exit {done.returncode}\n{done.stderr}")
        return json.load(open(out.name))


def values_of(found, name, counter):
    """Of all repetitions; a backend that is not there has none."""
    values = []
    for run in found["benchmarks"]:
        is_this = run.get("run_type") != "aggregate" and not run.get("error_occurred")
        if is_this and run["name"].split("/iterations")[0] == name and counter in run:
            values.append(run[counter])
        elif is_this and run["name"].split("/iterations")[0] == name and counter == "commit_us":
            values.append(run["commit_ms"] * 1000)
    return values


def text_of(values, digits):
    if not values:
        return "-"
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{min(values):,.{digits}f} / {middle} / {max(values):,.{digits}f}"


def table(found):
    lines = ["| the disk by itself | |", "|---|---|"]
    for what, counter, digits in RAW:
        lines.append(f"| {what} | {text_of(values_of(found, 'raw', counter), digits)} |")
    lines += ["", "| a drive | threads | io_uring |", "|---|---|---|"]
    for what, name, counter, digits in ROWS:
        cells = [text_of(values_of(found, name.format(backend), counter), digits) for backend in (0, 1)]
        lines.append(f"| {what} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    parser.add_argument("--dir", default=".", help="a directory on the drive that is measured")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--json", help="keep all figures in this file as well")
    options = parser.parse_args()
    found = measure(options)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(found, indent=1))
    load = ", ".join(f"{value:.1f}" for value in found["context"].get("load_avg", []))
    print(f"{found['context']['num_cpus']} CPUs, load average before: {load}; {options.repetitions} of each\n")
    print(table(found))


if __name__ == "__main__":
    main()
