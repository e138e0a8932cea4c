#!/usr/bin/env python3
"""Groups source files that can be compiled as one translation unit (CMake's unity builds, PREDASTORE_UNITY).

Most of the time of a build goes into the headers that every file reads again. Files compiled as one read them once, but then
they share what each keeps to itself: two files with a helper of the same name cannot go together, nor a file with a helper and
one that includes a header with such a name. This reads what each file defines at the start of a line, and puts files together
whose names differ. What it does not see is a compile error, not a wrong program.

  unity_groups.py SRC FILE...     prints one group a line, its files separated by semicolons; includes are looked up in SRC
"""
import functools
import pathlib
import re
import sys

LINES_MAX = 2400  # of a group: what keeps both cores busy to the end and a compiler under a GiB
FILES_MAX = 10

TYPE = re.compile(r"(?:template <[^>]*> )?(?:struct|class|enum class|enum|union)\s+(?:\[\[\w+\]\] )?(\w+)")
ALIAS = re.compile(r"using (?:(\w+) =|.*\b(\w+);)")
TEST = re.compile(r"(?:TEST|TEST_F|TEST_P|TYPED_TEST|RC_GTEST_PROP|RC_GTEST_FIXTURE_PROP|INSTANTIATE_\w+)\(\s*(\w+),\s*(\w+)")
MACRO = re.compile(r"#\s*define\s+(\w+)")
FUNCTION = re.compile(r"(?<![:\w])(\w+)\(")
VARIABLE = re.compile(r"\b(\w+)(?:\{|\[| =|;|$)")
EVERY_NAME = re.compile(r"^using enum ", re.M)  # what that brings in is not seen here: such a file stays alone
INCLUDE = re.compile(r'^#include "([^"]+)"', re.M)


def names_of(text):
    """What the file defines, each name with the line where that line may be said twice (an alias), else with None."""
    found = {}
    for line in text.split("\n"):
        macro = MACRO.match(line)
        if macro:
            found[macro.group(1)] = None
            continue
        if not line or line[0] in " \t}/#)":
            continue
        if line.startswith(("namespace", "extern ", "friend ", "template class", "template struct", "static_assert")):
            continue
        test, alias, kind = TEST.match(line), ALIAS.match(line), TYPE.match(line)
        if test:
            found[f"{test.group(1)}_{test.group(2)}"] = None
        elif alias:
            found[alias.group(1) or alias.group(2)] = line
        elif kind:
            found[kind.group(1)] = None
        else:
            name = FUNCTION.search(line) or VARIABLE.search(line)
            if name:
                found[name.group(1)] = None
    return found


@functools.lru_cache(maxsize=None)
def header(path):
    text = path.read_text(encoding="utf-8")
    return names_of(text), INCLUDE.findall(text)


def included_names(text, src):
    """The names of all headers of SRC that the file sees, directly or not."""
    names, wanted, seen = {}, INCLUDE.findall(text), set()
    while wanted:
        name = wanted.pop()
        path = src / name
        if name not in seen and path.is_file():
            seen.add(name)
            defined, further = header(path)
            names.update(defined)
            wanted += further
    return names


class Group:
    def __init__(self):
        self.files, self.lines, self.own, self.seen = [], 0, {}, {}

    def takes(self, lines, own, seen):
        if len(self.files) == FILES_MAX or self.lines + lines > LINES_MAX:
            return False
        new = {name: line for name, line in seen.items() if name not in self.seen}
        return (differ(own, self.own) and differ({n: v for n, v in own.items() if n not in seen}, self.seen)
                and differ(new, self.own))

    def add(self, path, lines, own, seen):
        self.files.append(path)
        self.lines += lines
        self.own.update(own)
        self.seen.update(seen)


def differ(names, others):
    return all(name not in others or (line is not None and others[name] == line) for name, line in names.items())


def groups_of(src, files):
    groups = []
    for path in files:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        own, seen, lines = names_of(text), included_names(text, src), text.count("\n")
        if EVERY_NAME.search(text):
            lines = LINES_MAX
        group = next((group for group in groups if group.takes(lines, own, seen)), None)
        if group is None:
            groups.append(group := Group())
        group.add(path, lines, own, seen)
    return [group.files for group in groups]


if __name__ == "__main__":
    for together in groups_of(pathlib.Path(sys.argv[1]), sys.argv[2:]):
        print(";".join(together))
