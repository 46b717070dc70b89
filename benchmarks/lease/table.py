"""The figures of a lease as one table, from the files that its stages wrote; at its end beside the predicted ones.

python benchmarks/lease/table.py RESULTS
"""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gpu_model
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
    print("\n".join(beside_predictions(measured(folder))))
    print(_tests(folder / "tests.xml"))


def measured(folder: Path) -> dict[str, float]:
    """Those figures that gpu_model.py predicts, by its names."""
    found: dict[str, float] = {}
    training = _json(folder / "training-ours.json").get("results", {}).get("ours bfloat16")
    pytorch = _json(folder / "training-pytorch.json").get("results", {}).get("PyTorch bfloat16 compiled")
    if training:
        found |= {"base tokens/s": training["tokens_per_second"], "base memory GB": training["memory"] / 1e9}
    if training and pytorch:
        found["base over torch.compile"] = training["tokens_per_second"] / pytorch["tokens_per_second"]
        found["base memory over torch.compile"] = training["memory"] / max(1, pytorch["memory"])
    searches = {(each["side"], each["batch"]): each for each in _json(folder / "decoding.json").get("results", [])}
    ours, theirs = (searches.get((side, 128)) for side in ("ours bfloat16", "Hugging Face bfloat16"))
    if ours:
        found["decoding 128 tokens/s"] = ours["tokens_per_second"]
    if ours and theirs:
        found["decoding 128 over Hugging Face"] = ours["tokens_per_second"] / theirs["tokens_per_second"]
    if ("ours bfloat16", 1) in searches:
        found["decoding 1 ms"] = 1000 * searches["ours bfloat16", 1]["seconds"]
    for kernel in _json(folder / "roofline.json").get("kernels", []):
        found[f"share of copy, {kernel['layer']}"] = kernel["share"]
    return found


def beside_predictions(found: dict[str, float]) -> list[str]:
    """A line for each predicted figure, with what was measured; says so if nothing can be predicted."""
    try:
        rows = gpu_model.predictions()
    except Exception as error:  # what was measured is worth more, and has been printed
        return [f"nothing predicted: {type(error).__name__}: {error}"]
    lines = ["", f"{'':60}{'predicted':>12}{'measured':>12}{'ratio':>8}"]
    for name, figure in ((name, figure) for row in rows for name, figure in row.figures.items()):
        value = found.get(name)
        beside = f"{'not':>12}" if value is None else f"{value:12,.2f}{value / figure:8.2f}"
        lines.append(f"{name:60}{figure:12,.2f}{beside}")
    return lines


def _json(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _tests(file: Path) -> str:
    if not file.exists():
        return "tests: none ran to their end"
    [suite] = ElementTree.parse(file).getroot().iter("testsuite")
    return "tests: " + ", ".join(f"{suite.get(what)} {what}" for what in ("tests", "failures", "errors", "skipped"))


if __name__ == "__main__":
    main()
