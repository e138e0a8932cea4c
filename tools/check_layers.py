#!/usr/bin/env python3
"""Holds every #include of src/ against the layer table of docs/architecture.md.

A folder sees itself, what its row of the table names, `base` and `digest`; all but those two see `model`; and what is not
pure and stands above the ground sees `env`, `telemetry` and `crypto`. Test files (*_test.cc, *_fuzz.cc, *_bench.cc) may also
see the in-memory doubles that other folders offer. CMake's link lists must stay within the same table.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
ROW = re.compile(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
LINKED = re.compile(r"^predastore_folder\((\w+)(.*)\)\s*$", re.M)


def read_table(text):
    table = {}
    for name, sees, kind in ROW.findall(text):
        table[name] = (set(re.findall(r"`(\w+)`", sees)), kind.strip())
    return table


def allowed(table):
    every = set(table)
    result = {}

    def closure(name, seen):
        for other in table[name][0]:
            if other not in seen:
                seen.add(other)
                if table[name][1] == "assembly":
                    closure(other, seen)
        return seen

    for name, (sees, kind) in table.items():
        may = {name, "base"} | sees
        if name != "base":
            may.add("digest")
        if name not in ("base", "digest"):
            may.add("model")
        if kind in ("", "assembly"):
            may |= {"env", "telemetry", "crypto"}
        if kind == "assembly":
            may |= every - {n for n, (_, k) in table.items() if k == "assembly"}
            may |= closure(name, set())
        result[name] = may
    return result


def main():
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = read_table(text)
    if len(table) < 10:
        print("check_layers: docs/architecture.md has no layer table that can be read")
        return 1
    may_see = allowed(table)
    problems, files = [], 0
    for path in sorted(SRC.rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        folder = path.relative_to(SRC).parts[0]
        files += 1
        if folder not in may_see:
            problems.append(f"{path.relative_to(ROOT)}: folder {folder} is not in the layer table")
            continue
        is_test = re.search(r"_(test|fuzz|bench)\.cc$", path.name) or "testing" in path.relative_to(SRC).parts
        for included in INCLUDE.findall(path.read_text()):
            target = included.split("/")[0]
            if "/" not in included or not (SRC / included).exists():
                generated = included.endswith(".pb.h")
                if not generated:
                    problems.append(f"{path.relative_to(ROOT)}: includes \"{included}\", which is not a path below src/")
                continue
            if target not in may_see[folder] and not is_test:
                problems.append(f"{path.relative_to(ROOT)}: {folder} may not see {target} (\"{included}\")")
    for name, rest in LINKED.findall((SRC / "CMakeLists.txt").read_text()):
        uses = re.search(r"\bUSES ((?:\w+ ?)*)", rest)
        words = uses.group(1).split() if uses else []
        words = words[: next((i for i, w in enumerate(words) if w.isupper()), len(words))]
        for used in words:
            if used not in may_see.get(name, set()):
                problems.append(f"src/CMakeLists.txt: {name} links {used}, which the table does not allow")
    for problem in problems:
        print(problem)
    print(f"check_layers: {files} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
