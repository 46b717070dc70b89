"""The page about training: every option is explained, no command uses another, and its tables are the program's."""

import re
from pathlib import Path

import pytest

from numpy_transformer.commands import train
from numpy_transformer.data.files import ParallelText
from numpy_transformer.models.config import PRESETS
from numpy_transformer.training.options import TrainingOptions, read_toml
from numpy_transformer.training.own_text import suited
from numpy_transformer.training.schedule import learning_rate

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "training.md").read_text(encoding="utf-8")
OPTION = r"--[a-z][a-z-]+"


def test_the_options_are_those_of_the_program(capsys):
    with pytest.raises(SystemExit):
        train.parse_arguments(["--help"])
    assert set(re.findall(OPTION, PAGE)) | {"--help"} == set(re.findall(OPTION, capsys.readouterr().out))


def test_what_the_page_links_to_is_there():
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE):
        assert (DOCS / target).exists(), target


def cells(row: str) -> list[str]:
    """The cells of the page's table row that begins with `row`, without the first."""
    [line] = [line for line in PAGE.split("\n") if line.startswith(f"| {row} |")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


@pytest.mark.parametrize("data", ["phrasebook", "multi30k"])
def test_the_schedules_are_those_of_the_program(data):
    tokens, warmup, scale, peak = (float(cell.replace(",", "")) for cell in cells(data))
    options = TrainingOptions.for_data({"data": data})
    assert (options.batch_tokens, options.warmup, options.rate_scale) == (tokens, warmup, scale)
    highest = learning_rate(
        options.warmup, d_model=PRESETS["tiny"]["d_model"], warmup=options.warmup, scale=options.rate_scale
    )
    assert round(highest, 4) == peak


@pytest.mark.parametrize("pairs", [100, 300, 1_000, 3_000, 10_000, 30_000, 100_000])
def test_what_suits_a_text_is_what_the_program_chooses(pairs):
    """Sentences of 34 and 38 characters, as Tatoeba's are on average."""
    given = {"data": "my.tsv"}
    text = ParallelText(["x" * 34] * pairs, ["y" * 38] * pairs)
    options, _ = suited(TrainingOptions.for_data(given), given, text)
    names = ("vocabulary", "batch_tokens", "warmup", "rate_scale", "dropout", "epochs", "evaluate_every")
    assert [float(cell.replace(",", "")) for cell in cells(f"{pairs:,} pairs")] == [getattr(options, n) for n in names]


def test_what_may_change_is_what_the_program_lets_change():
    [sentence] = re.findall(r"When resuming you can change .*?:(.*?)\.\n", PAGE, re.DOTALL)
    assert {name[2:].replace("-", "_") for name in re.findall(OPTION, sentence)} == train.MAY_CHANGE_ON_RESUME


def test_the_file_of_options_is_one(tmp_path):
    (tmp_path / "my.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1], encoding="utf-8")
    options = TrainingOptions.for_data(read_toml(tmp_path / "my.toml"))
    assert (options.data, options.preset, options.epochs, options.dropout) == ("my.tsv", "small", 40, 0.2)
