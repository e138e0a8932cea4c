#!/usr/bin/env python3
"""Checks (or with --fix applies) .clang-format over all of src/ and bench/. Uses clang-format-19, which scripts/install_dependencies installs."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
files = subprocess.run(["git", "ls-files", "src/*.h", "src/*.cc", "bench/*.cc"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
mode = ["-i"] if "--fix" in sys.argv[1:] else ["--dry-run", "-Werror"]
sys.exit(subprocess.run(["clang-format-19", *mode, *files], cwd=ROOT).returncode)
