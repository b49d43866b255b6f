#!/usr/bin/env python3
"""Holds the source to docs/architecture.md, section 4: arrows, doors, headers from outside, the
limits on lengths, and one definition of each type. Reads the three blocks of that page, so page and
check cannot differ.

Usage: check_layers.py [--root DIR]. Prints one line a fault and exits with 1 if there is any.
"""
import argparse
import ast
import os
import re
import sys
from pathlib import Path

from source_text import code_only, functions, includes

MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500
MAX_HEADER_LINES = 200
MAX_COLUMNS = 100

CODE = (".h", ".cc", ".cu", ".cuh")
FREE_FOLDERS = ("tests", "bench")    # may include whatever they like
SKIPPED = {"build", ".deps", ".git", "__pycache__", "demo-run", ".venv"}
EXCEPTION_FILES = ("dicom/dcmtk_status.h", "dicom/opencv_status.h", "models/torch_status.h",
                   "cli/cli11_status.h", "aggregator/pqxx_status.h")
COUT_FOLDERS = ("cli", "tests", "bench")
LIBTORCH = ("torch/", "c10/", "ATen/")

# Never, whatever the table says: (from, to).
FOREVER = [("client", "aggregator"), ("aggregator", "client"), ("dicom", "models"),
           ("models", "dicom"), ("aggregator", "models")]

STANDARD_HEADERS = set("""
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono
cinttypes climits clocale cmath codecvt compare complex concepts condition_variable coroutine
csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque
exception execution filesystem format forward_list fstream functional future initializer_list
iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource
mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string
string_view syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map
unordered_set utility valarray variant vector version
assert.h ctype.h errno.h fenv.h float.h inttypes.h limits.h locale.h math.h setjmp.h signal.h
stdalign.h stdarg.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h time.h uchar.h wchar.h
wctype.h
""".split())


def within(path, prefix):
    """Whether `path` has the path prefix: `cli` is a folder, `cli/job_` the start of a name."""
    return path.startswith(prefix if "/" in prefix else prefix + "/") or path == prefix


def top(path):
    return path.split("/", 1)[0]


class Rules:
    """The three blocks of docs/architecture.md."""

    def __init__(self, page):
        text = page.read_text(encoding="utf-8")
        self.layers = dict(self._rows(text, "layers"))
        self.doors = self._rows(text, "doors")
        self.externals = [(prefix, right) for left, right in self._rows(text, "externals")
                          for prefix in left.split()]
        self.folders = sorted({top(prefix) for prefix in self.layers})

    @staticmethod
    def _rows(text, name):
        block = re.search(rf"^```{name}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        if not block:
            raise SystemExit(f"docs/architecture.md has no block ```{name}")
        rows = []
        for line in block.group(1).splitlines():
            left, colon, right = line.partition(" :")
            if not colon:
                raise SystemExit(f"docs/architecture.md: no ` :` in the line {line!r} of {name}")
            rows.append((left.strip(), right.split()))
        return rows

    def row(self, path):
        """The longest prefix of the table that fits, or None."""
        fits = [prefix for prefix in self.layers if within(path, prefix)]
        return max(fits, key=len, default=None)

    def reach(self, folder, seen=None):
        """All folders that `folder` includes, also through others."""
        seen = set() if seen is None else seen
        for token in self.layers.get(folder, []):
            for other in ([f for f in self.folders if f != folder] if token == "*" else
                          [top(token)]):
                if other not in seen:
                    seen.add(other)
                    self.reach(other, seen)
        return seen


def check_table(rules):
    """Cycles, arrows that are forbidden for ever, and unknown folders in the table itself."""
    page = "docs/architecture.md"
    for prefix, allowed in rules.layers.items():
        for token in allowed:
            if token != "*" and top(token) not in rules.folders:
                yield f"{page}: row {prefix} names {token}, which has no row"
    for folder in rules.folders:
        if folder in FREE_FOLDERS:
            continue
        reach = rules.reach(folder)
        if folder in reach:
            yield f"{page}: the arrows of {folder} lead back to it: a cycle"
        if folder == "kernels" and reach - {"base"}:
            yield f"{page}: kernels may include base only, not {' '.join(sorted(reach))}"
        for left, right in FOREVER:
            if folder == left and right in reach:
                yield f"{page}: {left} must never reach {right}"


def check_own_include(rules, path, header):
    """The fault of including one of our own headers, or None."""
    row, target_row = rules.row(path), rules.row(header)
    if top(path) in FREE_FOLDERS:
        return None
    for prefix, allowed in rules.doors:
        if within(header, prefix) and top(path) != top(prefix):
            if not any(within(path, token) for token in allowed):
                return f"includes {header}, a door for {' '.join(allowed) or 'its folder'} only"
    if top(header) == top(path):
        if "/" in target_row and target_row != row and header not in rules.layers[row]:
            return f"includes {header}, which belongs to {target_row}*"
        return None
    if any(token == "*" or within(header, token) or header == token
           for token in rules.layers[row]):
        return None
    return f"includes {header}; {row} may include {' '.join(rules.layers[row]) or 'nothing'}"


def check_external_include(rules, path, header):
    """The fault of including a header from outside, or None."""
    if header in STANDARD_HEADERS or top(path) in FREE_FOLDERS:
        return None
    if (path.startswith("models/") and path.endswith(".h") and header.startswith(LIBTORCH)
            and not path.startswith("models/torch_")):
        return f"includes {header}: LibTorch stays behind models/torch_*.h and .cc files"
    fits = [(len(prefix), allowed) for prefix, allowed in rules.externals
            if header.startswith(prefix)]
    if not fits:
        return f"includes {header}, which no line of `externals` lists"
    allowed = max(fits, key=lambda fit: fit[0])[1]
    if any(token == "*" or within(path, token) for token in allowed):
        return None
    return f"includes {header}, which only {' '.join(allowed)} may"


def check_includes(rules, root, path, text):
    if rules.row(path) is None:
        yield f"{path}:1: no row of `layers` fits this file"
        return
    for line, header in includes(text):
        if not header.startswith("../") and top(header) in rules.folders and "/" in header:
            fault = check_own_include(rules, path, header)
        elif ((root / path).parent / header).exists():
            fault = f"includes {header} without its folder; write the path from the root"
        else:
            fault = check_external_include(rules, path, header)
        if fault:
            yield f"{path}:{line}: {fault}"


def check_words(path, code):
    """throw, catch and std::cout outside their places."""
    words = []
    if path not in EXCEPTION_FILES:
        words.append((r"\b(?:throw|catch|try)\b",
                      "outside the adapters; see docs/architecture.md, section 4"))
    if top(path) not in COUT_FOLDERS:
        words.append((r"\bstd::cout\b", "outside cli/, tests/ and bench/"))
    for pattern, why in words:
        for match in re.finditer(pattern, code):
            line = code.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: `{match.group()}` {why}"


def python_functions(text):
    tree = ast.parse(text)
    return [(node.lineno, node.end_lineno, node.name) for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def shell_functions(text):
    found = []
    for match in re.finditer(r"^(\w+)\(\) \{\n.*?^\}", text, re.DOTALL | re.MULTILINE):
        first = text.count("\n", 0, match.start()) + 1
        found.append((first, text.count("\n", 0, match.end()) + 1, match.group(1)))
    return found


def check_lengths(path, text):
    lines = text.splitlines()
    is_public_header = path.endswith(".h") and top(path) not in FREE_FOLDERS
    limit = MAX_HEADER_LINES if is_public_header else MAX_FILE_LINES
    if len(lines) > limit:
        yield f"{path}:{limit + 1}: {len(lines)} lines, the limit is {limit}"
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            yield f"{path}:{number}: {len(line)} columns, the limit is {MAX_COLUMNS}"
    if path.endswith(".py"):
        found = python_functions(text)
    elif path.endswith(CODE):
        found = functions(text)
    else:
        found = shell_functions(text)
    for first, last, head in found:
        if last - first + 1 > MAX_FUNCTION_LINES:
            name = re.findall(r"[\w:~]+(?=\s*\()", head)[:1] or [head]
            yield (f"{path}:{first}: {name[0]} has {last - first + 1} lines, "
                   f"the limit is {MAX_FUNCTION_LINES}")


def check_targets(rules, path, text):
    """The DEPS of a folder's own library follow the table."""
    folder = top(path)
    allowed = rules.layers.get(folder)
    if allowed is None or path != f"{folder}/CMakeLists.txt" or folder in FREE_FOLDERS + ("cli",):
        return
    for match in re.finditer(r"\bhilum::(\w+)", text):
        if match.group(1) in rules.folders and match.group(1) not in allowed + [folder]:
            line = text.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: depends on {match.group()}; {folder} may not"


TYPE = re.compile(r"namespace\s*([\w:]*)\s*\{|\b(?:struct|class)\s+(\w+)\s*(?:final\s*)?"
                  r"(?::(?!:)[^;{}()]*)?\{|[{}]")


def named_types(code):
    """(name with its namespaces, offset) of each type at namespace scope that other files see."""
    scopes = []  # None: a brace that opens no namespace
    for match in TYPE.finditer(code):
        if match.group() == "}":
            del scopes[-1:]
            continue
        if match.group(2) and None not in scopes and "" not in scopes:
            yield "::".join([*scopes, match.group(2)]), match.start()
        scopes.append(match.group(1) if match.group().startswith("namespace") else None)


def check_one_definition(types, path, code):
    """Two types of one name share their inline functions when linked, whichever comes first."""
    side = re.sub(r"_(cpu|cuda)\.", ".", path)  # a file uses one of the two
    for name, start in named_types(code):
        other = types.setdefault(name, (side, path))
        if other[0] != side:
            line = code.count("\n", 0, start) + 1
            yield f"{path}:{line}: defines {name}, as {other[1]} does"


def source_files(root, folders):
    """Paths from the root of everything that people write here in C++, Python, bash or CMake."""
    for name in ("dev", ".ci/run"):
        if (root / name).exists():
            yield name
    for folder in [*folders, "demo", "tools", "docs", "web", "cmake"]:
        for parent, names, files in os.walk(root / folder):
            names[:] = sorted(set(names) - SKIPPED)
            for file in sorted(files):
                if file.endswith(CODE + (".py", ".sh", ".proto", ".cmake")) or \
                        file == "CMakeLists.txt":
                    yield str((Path(parent) / file).relative_to(root))


def check(root):
    """All faults of the tree at `root`, in the order of its files."""
    rules = Rules(root / "docs/architecture.md")
    yield from check_table(rules)
    types = {}
    for path in source_files(root, rules.folders):
        text = (root / path).read_text(encoding="utf-8")
        yield from check_lengths(path, text)
        if path.endswith(CODE):
            yield from check_includes(rules, root, path, text)
            yield from check_words(path, code_only(text))
            yield from check_one_definition(types, path, code_only(text))
        yield from check_targets(rules, path, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    faults = list(check(parser.parse_args().root))
    for fault in faults:
        print(fault)
    print(f"check_layers: {len(faults)} faults" if faults else "check_layers: no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
