#!/usr/bin/python3
"""Does every row of rows.txt have a test that pytest will run?

Reads the test files as Python (not as text), so a test in a comment, in a
helper, or one shadowed by a later test of the same name does not count.
"""

import ast
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = re.compile(r"test_([A-Z]\d+)_(\d+)_\w")


def required(path):
    rows = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            rows += line.split("#")[0].split()
    return rows


def tests_in(path, complain):
    """Names of the test functions pytest collects from a file."""
    with open(path, encoding="utf-8") as f:
        tree = ast.parse(f.read(), path)
    seen = set()
    scopes = [tree] + [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name.startswith("Test")]
    for scope in scopes:
        for n in scope.body:
            if not isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) or not n.name.startswith("test_"):
                continue
            if (scope, n.name) in seen:
                complain(f"{path}:{n.lineno}: a second {n.name} hides the first")
            seen.add((scope, n.name))
            yield n.name


def check(folder, rows_path):
    problems = []
    rows = required(rows_path)
    for row in rows:
        if not re.fullmatch(r"[A-Z]\d+-\d+", row):
            problems.append(f"{rows_path}: {row!r} is not a row id like A1-02")
    covered = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith("test_") and name.endswith(".py"):
            for test in tests_in(os.path.join(folder, name), problems.append):
                m = NAME.match(test)
                if m:
                    covered.setdefault(f"{m.group(1)}-{m.group(2)}", []).append(test)
    for row in rows:
        if row not in covered:
            problems.append(f"{row}: no test is named test_{row.replace('-', '_')}_...")
    return rows, covered, problems


def main():
    rows, covered, problems = check(HERE, os.path.join(HERE, "rows.txt"))
    print("\n".join(problems))
    print(f"{sum(r in covered for r in rows)} of {len(rows)} rows have a test")
    return 1 if problems or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
