#!/usr/bin/env python3
"""Style as a test: what clang-format and the compiler do not see. Prints every finding as file:line and exits 1 if there is one.

The few exceptions that stand are in tools/tidy_exceptions.txt, one `path rule` a line; a line there that is no longer needed is
a finding too, so that the list can only shrink.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINE_MAX, FILE_MAX, FUNCTION_MAX, BLOB_MAX = 100, 600, 70, 400_000

# rule: (pattern, folders in which it may stand, what to use)
BANNED = {
    "clock": (r"\b(steady_clock|system_clock|high_resolution_clock)::now\b|\bgettimeofday\b|\bclock_gettime\b|\btime\(nullptr\)",
              {"env", "telemetry"}, "env.clock"),
    "random": (r"\bstd::(random_device|mt19937(_64)?)\b|\b(s?rand|random)\(\)", {"env", "crypto", "sim"}, "env.random"),
    "file": (r"(?<![\w>])::(open|openat|fsync|fdatasync|pread|pwrite)\(|\bstd::(o|i)?fstream\b|\bfopen\(", {"env", "cli", "node", "telemetry", "bin"},
             "env.files"),
    "thread": (r"\bstd::(j?thread|async)\b|\bpthread_create\b", {"env", "telemetry"}, "env.blocking or a TaskGroup"),
    "sleep": (r"\bsleep_for\(std::|this_thread::sleep|\busleep\(|\bnanosleep\(", {"env", "cli"}, "sleep_for(env.clock, …)"),
    "detached": (r"\basio::detached\b", set(), "TaskGroup::spawn"),
    "timer": (r"\b(steady|system|deadline)_timer\b", {"env"}, "env.clock.call_at"),
    "todo": (r"\b(FIXME|XXX)\b|\bTODO(?!\(#\d+\))", set(), "TODO(#issue) or an entry in docs/known_gaps.md"),
    "tab": (r"\t", set(), "spaces"),
    "path": (r"/work/|/home/\w", set(), "a path that every machine has"),
}


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True).stdout
    return [pathlib.Path(p) for p in out.decode().split("\0") if p and (ROOT / p).is_file()]


def strip_comment(line):
    return re.sub(r"(?<!:)//.*$", "", line)


def functions(lines):
    """(first line, length) of the bodies that begin on a line ending in `{` after a `)` and end on a lone brace of that indent."""
    start = None
    for number, line in enumerate(lines, 1):
        stripped = line.rstrip()
        if start is None and re.search(r"\)( const| noexcept| override| final|&&?|( ->.*)?)* ?{$", stripped) and \
                not re.match(r"\s*(if|for|while|switch|else|catch|do|}|namespace|TEST|INSTANTIATE)\b", stripped):
            start = (number, len(line) - len(line.lstrip()))
        elif start is not None and re.match(r"}[;,)]*$", stripped.lstrip()) and len(line) - len(line.lstrip()) <= start[1]:
            yield start[0], number - start[0] + 1
            start = None


def check_source(path, found):
    text = (ROOT / path).read_text()
    lines = text.splitlines()
    folder = path.parts[1] if path.parts[0] == "src" else path.parts[0]
    is_test = bool(re.search(r"_(test|fuzz|bench)\.cc$", path.name)) or "testing" in path.parts
    if len(lines) > FILE_MAX:
        found.append((path, 1, "file-length", f"{len(lines)} lines; split it by idea at {FILE_MAX}"))
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            found.append((path, number, "line-length", f"{len(line)} columns"))
        for rule, (pattern, folders, instead) in BANNED.items():
            if folder in folders or (is_test and rule in ("thread", "file", "random", "clock", "timer", "sleep")):
                continue
            where = line if rule in ("todo", "tab", "path") else strip_comment(line)
            if re.search(pattern, where):
                found.append((path, number, rule, f"banned here; use {instead}"))
    if not is_test:
        for number, length in functions(lines):
            if length > FUNCTION_MAX:
                found.append((path, number, "function-length", f"{length} lines; at most {FUNCTION_MAX}"))
    if path.suffix == ".h" and "#pragma once" not in text:
        found.append((path, 1, "pragma-once", "a header begins with #pragma once"))


def main():
    found = []
    for path in tracked("src/*.h", "src/*.cc"):
        check_source(path, found)
    for path in tracked():
        if (ROOT / path).stat().st_size > BLOB_MAX:
            found.append((path, 1, "blob", f"more than {BLOB_MAX} bytes in the repository"))
    exceptions_file = ROOT / "tools" / "tidy_exceptions.txt"
    listed = {tuple(line.split()) for line in exceptions_file.read_text().splitlines() if line and not line.startswith("#")}
    met = {(str(path), rule) for path, _, rule, _ in found}
    shown = [f for f in found if (str(f[0]), f[2]) not in listed]
    for path, number, rule, message in shown:
        print(f"{path}:{number}: {rule}: {message}")
    unneeded = sorted(listed - met)
    for path, rule in unneeded:
        print(f"tools/tidy_exceptions.txt: `{path} {rule}` is no longer needed: remove it")
    print(f"tidy: {len(shown) + len(unneeded)} findings")
    return 1 if shown or unneeded else 0


if __name__ == "__main__":
    sys.exit(main())
