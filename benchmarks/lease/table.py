"""The figures of a lease as one table, from the files that its stages wrote.

python benchmarks/lease/table.py RESULTS
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gpu_training


def main() -> None:
    folder = Path(sys.argv[1])
    for name in ("smoke", "cublas"):
        for fact, value in _json(folder / f"{name}.json").items():
            print(f"{name}: {fact}: {value}")
    results: dict[str, Any] = {}
    for name in ("ours", "pytorch"):
        results |= _json(folder / f"training-{name}.json").get("results", {})
    if results:
        print(gpu_training.report(results))
    for found in _json(folder / "decoding.json").get("results", []):
        print(
            f"{found['side']}, beam 4, batch {found['batch']}: {found['tokens_per_second']:,.0f} tokens/s, "
            f"{1000 * found['seconds']:.1f} ms"
        )
    print(_tests(folder / "tests.xml"))


def _json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _tests(file: Path) -> str:
    if not file.exists():
        return "tests: none ran to their end"
    [suite] = ElementTree.parse(file).getroot().iter("testsuite")
    return "tests: " + ", ".join(f"{suite.get(what)} {what}" for what in ("tests", "failures", "errors", "skipped"))


if __name__ == "__main__":
    main()
