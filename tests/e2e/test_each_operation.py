#!/usr/bin/env python3
"""Every operation of S3 through boto3: runs the files of operations/, one for each operation, on one cluster, and holds them
against the table of docs/s3.md. An operation that is built without a file, a file that never got its operation done, and an
operation that is said not to be built and does not answer so are failures."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "operations"))
import harness
import support

DIRECTORY = pathlib.Path(__file__).resolve().parent / "operations"


class Table(unittest.TestCase):
    def test_every_operation_that_is_built_has_a_file_and_no_other_has(self):
        built = {f"test_{support.snake_case(name)}" for name, state in support.table().items() if state != "no"}
        files = {path.stem for path in DIRECTORY.glob("test_*.py")}
        self.assertEqual(sorted(built - files), [], "operations without a file")
        self.assertEqual(sorted(files - built), ["test_not_built"], "files without an operation")


def main():
    if not harness.BINARY.exists():
        sys.exit(f"{harness.BINARY} is not there: build first (scripts/build)")
    loader = unittest.defaultTestLoader
    suite = unittest.TestSuite([loader.loadTestsFromTestCase(Table), loader.discover(str(DIRECTORY), top_level_dir=str(DIRECTORY))])
    try:
        result = unittest.TextTestRunner(verbosity=2).run(suite)
    finally:
        support.Shared.stop()
    known = set(support.Shared.names)
    idle = [name for name, state in support.table().items()
            if state != "no" and name in known and (f"test_{support.snake_case(name)}", name) not in support.Shared.succeeded]
    if idle:
        print(f"operations whose own file never got one done: {', '.join(idle)}", file=sys.stderr)
    sys.exit(bool(idle) or not result.wasSuccessful())


if __name__ == "__main__":
    main()
