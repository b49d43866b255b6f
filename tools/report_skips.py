"""Lists the tests that the last ctest run skipped. Only tests labelled `cuda` may skip.

Usage: report_skips.py BUILD_FOLDER   (BUILD_FOLDER/tests.xml is ctest's JUnit file)
"""
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

MAY_SKIP = "cuda"


def skipped_tests(junit):
    """[(name, reason)] of a JUnit file."""
    found = []
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None or case.get("status") in ("notrun", "disabled"):
            found.append((case.get("name"), reason_of(case)))
    return found


def reason_of(case):
    """The line after GoogleTest's own mark, which is where GTEST_SKIP writes its sentence."""
    lines = (case.findtext("system-out") or "").splitlines()
    for number, line in enumerate(lines):
        if "Skipped" in line and number + 1 < len(lines) and lines[number + 1].strip():
            return lines[number + 1].strip()
    return "no reason given"


def labels_by_test(build):
    command = ["ctest", "--test-dir", str(build), "--show-only=json-v1"]
    listing = json.loads(subprocess.run(command, capture_output=True, text=True,
                                        check=True).stdout)
    labels = {}
    for test in listing["tests"]:
        for entry in test.get("properties", []):
            if entry["name"] == "LABELS":
                labels[test["name"]] = entry["value"]
    return labels


def report(skipped, labels, out):
    """Writes the list; returns whether each of them may skip."""
    if not skipped:
        print("skipped tests: none", file=out)
        return True
    allowed = True
    print(f"skipped tests: {len(skipped)}", file=out)
    for name, reason in skipped:
        may_skip = MAY_SKIP in labels.get(name, [])
        allowed = allowed and may_skip
        mark = "" if may_skip else " (NOT ALLOWED: only tests labelled cuda may skip)"
        print(f"  {name}: {reason}{mark}", file=out)
    return allowed


def main():
    build = Path(sys.argv[1])
    junit = build / "tests.xml"
    if not junit.exists():
        print(f"report_skips: {junit} is missing, so ctest did not run", file=sys.stderr)
        return 1
    return 0 if report(skipped_tests(junit), labels_by_test(build), sys.stdout) else 1


if __name__ == "__main__":
    sys.exit(main())
