"""translate.py as a user sees it: what goes where, and one clear line for every invalid use."""

import gzip
import io
import lzma
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import bpe
import numpy_transformer as nt
from numpy_transformer.commands import text_lines, translate, unseen_words
from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.decoding.alignment import pharaoh
from numpy_transformer.storage import shipped
from numpy_transformer.translation import streaming
from numpy_transformer.translation.translator import Translator

ROOT = Path(__file__).resolve().parents[2]
LINES = ["the dog runs home", "a cat sees the dog", "we see a house", "the house sees us", "dogs run"] * 4

Run = Callable[..., tuple[int, str, str]]


def make_run(folder: Path, seed: int = 0) -> Path:
    """A run folder with a random model."""
    tokenizer = bpe.train(LINES, vocabulary_size=275)
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=1, d_model=16, d_ff=24, heads=2
    )
    model = nt.Transformer(config, seed=seed)
    (folder / "checkpoints").mkdir(parents=True)
    model.save(folder / "checkpoints" / "best.safetensors")
    tokenizer.save(folder / "tokenizer.json")
    return folder


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/."""
    folder = tmp_path_factory.mktemp("workplace")
    make_run(folder / "runs" / "first")
    return folder


@pytest.fixture
def run(workplace: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture) -> Run:
    """Runs the program in this process: arguments, standard input -> status, standard output, standard error."""

    def run(*arguments: object, stdin: bytes | io.BytesIO = b"", cwd: Path = workplace) -> tuple[int, str, str]:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["translate.py", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin))
        status = translate.main()
        out, err = capfdbinary.readouterr()
        return status, out.decode("utf-8"), err.decode("utf-8")

    return run


@pytest.fixture(scope="module")
def expected(workplace: Path) -> Translator:
    return Translator.load(workplace / "runs" / "first")


def test_texts_files_and_standard_input_give_the_same_lines(run, expected, tmp_path):
    texts = ["the dog", "", "we see a cat", "  "]
    translations = "".join(line + "\n" for line in expected.translate(texts))
    assert translations.count("\n") == 4
    assert run(*texts) == (0, translations, "")
    assert run(stdin="\n".join(texts).encode()) == (0, translations, "")
    source, target = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(texts).encode() + b"\r\n")  # byte order mark and CRLF
    assert run("--input", source, "--output", target) == (0, "", "")
    assert target.read_text(encoding="utf-8") == translations
    assert run(stdin=b"") == (0, "", "")


@pytest.mark.parametrize("around", ["{}\n", " {} ", "\ufeff{}", "{}\r", "{}\r\n"])
def test_what_surrounds_a_text_changes_nothing(run, around, tmp_path):
    """Argument, pipe and file; with --attention, --explain and --score as well."""
    expected = run("the dog")
    text = around.format("the dog")
    assert run(text) == run(stdin=text.encode()) == expected
    (tmp_path / "in.txt").write_bytes(text.encode())
    assert run("--input", tmp_path / "in.txt") == expected
    assert run("--explain", text) == run("--explain", "the dog")
    assert run("--attention", tmp_path / "a.html", text)[1] == expected[1]
    written = (tmp_path / "a.html").read_bytes()
    run("--attention", tmp_path / "a.html", "the dog")
    assert written == (tmp_path / "a.html").read_bytes()
    source, target = (around.replace("\n", "").format(one) for one in ("the dog", "a cat"))
    assert run("--score", stdin=f"{source}\t{target}\n".encode()) == run("--score", "the dog\ta cat")


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".XZ", lzma.compress)])
def test_archives_are_read_as_in_training(run, tmp_path, suffix, compress):
    text = "\ufeffthe dog\r\n\nwe see a cat".encode()
    source = tmp_path / f"in.txt{suffix}"
    source.write_bytes(compress(text))
    assert run("--input", source) == run(stdin=text)
    with text_lines.open_input(str(source)) as file:
        assert text_lines.size_of(file) is None  # the time left would be that of the archive's bytes
    (tmp_path / "plain").write_bytes(text)
    with text_lines.open_input(str(tmp_path / "plain")) as file:
        assert text_lines.size_of(file) == len(text)
    for damaged in (b"the dog\n", compress(text)[:-9]):
        source.write_bytes(damaged)
        status, out, err = run("--input", source, "--output", tmp_path / "out")
        assert (status, out) == (2, "")
        assert err.startswith(f"translate.py: {source}: is cut off, damaged or not a {suffix.lower()} archive")
        assert err.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_byte_order_marks_in_a_joined_file_are_skipped(run):
    """As `cat one.txt other.txt` leaves them; a file of nothing but its mark is a blank line."""
    joined = "\ufeffthe dog\n\ufeffa cat\r\n\ufeff\n"
    assert run(stdin=joined.encode()) == run(stdin=b"the dog\na cat\n\n")


def test_only_a_newline_ends_a_line(run, expected):
    """Unlike str.splitlines, which would misalign the output."""
    text = "the dog\u2028runs\x85home\x1cnow"
    assert run(stdin=text.encode()) == (0, expected.translate([text])[0] + "\n", "")


def test_a_file_longer_than_a_window_keeps_its_order(run, expected, monkeypatch):
    monkeypatch.setattr(streaming, "WINDOW_LINES", 3)
    texts = [*LINES[:5], "", *LINES[2:4]]
    status, out, _ = run("--beam", 1, stdin="\n".join(texts).encode())
    assert (status, out) == (0, "".join(line + "\n" for line in expected.translate(texts, beam=1)))


def test_n_best_and_scores_are_columns(run, expected):
    found = expected.hypotheses(["the dog", "we see"], beam=5, n_best=5)
    rows = [(n, one.score, one.text) for n, hypotheses in enumerate(found, 1) for one in hypotheses]
    _, out, _ = run("--n-best", 5, "--scores", "the dog", "we see")  # the beam grows with n
    assert out == "".join(f"{n}\t{score:.4f}\t{text}\n" for n, score, text in rows)
    _, out, _ = run("--beam", 5, "--n-best", 5, "the dog", "we see")
    assert out == "".join(f"{n}\t{text}\n" for n, _, text in rows)
    _, out, _ = run("--scores", "the dog", "")
    assert out.endswith("\n0.0000\t\n")


def test_whatever_the_model_writes_one_line_stays_one_line(run, expected, monkeypatch):
    monkeypatch.setattr(bpe.Tokenizer, "decode", lambda *_: "two\nlines\r\n")
    assert run("the dog") == (0, "two lines  \n", "")


def test_sampling_is_repeated_by_its_seed(run):
    options = ("--sample", "--temperature", 2, "--top-k", 50, "--top-p", 0.9, "the dog")
    assert run(*options, "--seed", 1) == run(*options, "--seed", 1) != run(*options, "--seed", 2)


def test_constraints_hold(run):
    status, out, err = run("--prefix", "we see", "--require", "house", "--ban", "dog", "--max-length", 20, *LINES[:5])
    assert (status, err) == (0, "")
    assert out.count("\n") == 5
    for line in out.splitlines():
        assert line.startswith("we see")
        assert "house" in line
        assert "dog" not in line


def test_demands_are_about_text(run):
    """The end of the sentence is no text that could be banned; composed and decomposed letters are one."""
    lines = LINES[:3]
    plain, banned = run(*lines)[1], run("--ban", "<", "--ban", "eos", *lines)[1]
    assert banned == plain if "<" not in plain and "eos" not in plain else "<" not in banned
    assert run("--require", "ü", *lines) == run("--require", " u\u0308 ", *lines)
    assert run("--prefix", "Grün ", *lines) == run("--prefix", "\ufeffGru\u0308n ", *lines)
    assert all(line.startswith("Grün") for line in run("--prefix", "Grün", *lines)[1].split("\n")[:-1])


def test_scores_of_given_translations_are_those_of_the_search(run, expected):
    found = expected.hypotheses(LINES[:3], n_best=2)
    pairs = [(text, one) for text, hypotheses in zip(LINES, found, strict=False) for one in hypotheses]
    pairs = [(text, one) for text, one in pairs if expected.tokenizer.encode(one.text) == one.ids]
    scores = expected.score([(text, one.text) for text, one in pairs])
    assert scores == pytest.approx([one.log_probability for _, one in pairs], abs=1e-5)
    pairs = [("the dog", "a cat"), ("we see", ""), ("dogs", "the house")]
    scores = expected.score(pairs)
    assert len(set(scores)) == 3
    stdin = "".join(f"{source}\t{target}\n" for source, target in pairs).encode()
    assert run("--score", stdin=stdin) == (0, "".join(f"{score:.4f}\n" for score in scores), "")
    more_columns = stdin.replace(b"\n", b"\tmore\tcolumns\n")
    assert run("--score", stdin=more_columns) == run("--score", stdin=stdin)


def test_an_ensemble_needs_one_tokenizer(run, workplace, tmp_path):
    make_run(tmp_path / "same", seed=7)
    other = make_run(tmp_path / "other", seed=8)
    bpe.train([line[::-1] for line in LINES], vocabulary_size=275).save(other / "tokenizer.json")
    first = ("--model", "runs/first")
    assert run(*first, *first, "the dog")[1] == run("the dog")[1]
    both = Translator.load_ensemble([workplace / "runs" / "first", tmp_path / "same"])
    for options in ({}, {"beam": 1}):
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        status, out, _ = run(*first, "--model", tmp_path / "same", "the dog", *arguments)
        assert (status, out) == (0, both.translate(["the dog"], **options)[0] + "\n")
    status, _, err = run(*first, "--model", other, "the dog")
    assert status == 2
    assert "other: has another tokenizer" in err


def test_the_latest_run_is_the_default(run, tmp_path, capfdbinary):
    older, newer = make_run(tmp_path / "runs" / "z", seed=1), make_run(tmp_path / "runs" / "a", seed=2)
    (newer / "checkpoints" / "training.safetensors").write_bytes(b"of no use here")
    os.utime(older / "checkpoints" / "best.safetensors", ns=(10**18, 10**18))
    for latest in (newer, older):
        os.utime(latest / "checkpoints" / "best.safetensors", ns=(2 * 10**18, 2 * 10**18))
        assert run("the dog", cwd=tmp_path)[1] == run("--model", latest, "the dog")[1]
        os.utime(newer / "checkpoints" / "best.safetensors", ns=(10**18, 10**18))


@pytest.fixture
def knowing(tmp_path) -> Path:
    """A run that tells which words stood in its training."""
    folder = make_run(tmp_path / "knowing")
    KnownWords.of(LINES).save(folder / "words.txt")
    return folder


def test_words_never_seen_in_training_are_named(run, knowing, tmp_path):
    size = f"(the model knows {KnownWords.of(LINES)})"
    assert run("--model", knowing, "The DOG")[2] == ""
    assert run("--model", knowing, "the gizmo")[2] == f"never seen in training: “gizmo” {size}\n"
    checkpoint = knowing / "checkpoints" / "best.safetensors"
    assert run("--model", checkpoint, "the gizmo")[2] == f"never seen in training: “gizmo” {size}\n"
    text = "".join(f"the gizmo word{number}\n" for number in range(7)) + "the dog\n"
    status, out, err = run("--model", knowing, stdin=text.encode())
    assert (status, out.count("\n")) == (0, 8)
    named = "“gizmo”, “word0”, “word1”, “word2”, “word3” and 3 more words"
    assert err == f"never seen in training: {named}, in 7 of 8 lines {size}\n"
    assert run("--model", knowing, "--score", stdin=b"the gizmo\ta cat\n")[2] == ""


def test_only_so_many_words_are_kept_in_memory(run, knowing, monkeypatch):
    monkeypatch.setattr(unseen_words, "MOST_KEPT", 7)
    text = " ".join(f"word{number}" for number in range(20))
    assert "“word4” and over 2 more words (the model" in run("--model", knowing, text)[2]


class Keyboard(io.BytesIO):
    """What is typed on a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_each_answer_says_what_was_never_seen(run, knowing):
    err = run("--model", knowing, stdin=Keyboard(b"the gizmo\nthe dog\nflurb\n"))[2].splitlines()
    size = f"the model knows {KnownWords.of(LINES)}"
    assert err == [
        "translating what you type, line by line; end with Ctrl-D",
        size,
        "never seen in training: “gizmo”",
        "never seen in training: “flurb”",
    ]


def test_who_named_no_model_sees_what_the_model_knows(run, tmp_path, monkeypatch):
    folder = make_run(tmp_path / "runs" / "only")
    KnownWords.of(LINES).save(folder / "words.txt")
    assert run("the dog", cwd=tmp_path)[2] == ""  # a log, or a pipe: nobody watches
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run("the dog", cwd=tmp_path)[2] == f"the model knows {KnownWords.of(LINES)}\n"
    assert run("the dog", "--model", folder, cwd=tmp_path)[2] == ""


def test_which_of_several_runs_was_taken_is_said(run, tmp_path):
    first = make_run(tmp_path / "runs" / "first", seed=1)
    assert run("the dog", cwd=tmp_path)[2] == ""  # there is no other
    second = make_run(tmp_path / "runs" / "second", seed=2)
    os.utime(first / "checkpoints" / "best.safetensors", ns=(10**18, 10**18))
    assert run("the dog", cwd=tmp_path)[2] == "model: runs/second, the latest of 2 runs; --model names another\n"
    assert run("the dog", "--model", second, cwd=tmp_path)[2] == ""


@pytest.mark.parametrize("options", [[], ["--n-best", "2", "--scores"], ["--sample"], ["--beam", "1"]])
def test_attention_is_drawn(run, tmp_path, options):
    expected = run("the dog", *options)[1]
    for name in ("map.png", "map.html"):
        status, out, err = run("the dog", *options, "--attention", tmp_path / name)
        assert (status, out, err) == (0, expected, f"attention: {tmp_path / name}\n")
        assert (tmp_path / name).stat().st_size > 1000


def test_a_search_is_explained_beside_its_translation(run, tmp_path):
    expected = run("the dog", "--n-best", "2")[1]
    status, out, err = run("the dog", "--n-best", "2", "--explain", "--attention", tmp_path / "map.png")
    assert (status, out) == (0, expected)
    lines = err.split("\n")
    assert lines[0] == "Beam search: after each step the best 4 of all continuations are kept."
    assert any(line.startswith("step 2, penalty 1.097") for line in lines)
    assert lines[-2] == f"attention: {tmp_path / 'map.png'}"
    assert " won" in lines[-3]


def test_alignments_have_one_line_for_each_line(run, expected, tmp_path):
    lines = ["the dog", "", "  we see  a cat", " "]
    links = [pharaoh(found) for found in expected.align(lines, [one.ids for [one] in expected.hypotheses(lines)])]
    assert links[1] == links[3] == ""
    written = "".join(line + "\n" for line in links)
    for number, options in enumerate([[], ["--workers", "2"], ["--n-best", "2"], ["--scores"]]):
        name = tmp_path / f"links-{number}"
        plain = run(*options, stdin="\n".join(lines).encode())
        assert run(*options, "--alignment", name, stdin="\n".join(lines).encode()) == plain
        assert name.read_text(encoding="utf-8") == written
    run("--alignment", tmp_path / "one", "--explain", lines[0])
    assert (tmp_path / "one").read_text(encoding="utf-8") == links[0] + "\n"


def test_given_translations_are_aligned_with_their_score(run, expected, tmp_path):
    pairs = [("the dog", "dogs run home"), ("a cat", "")]
    status, out, _ = run(
        "--score", "--alignment", tmp_path / "links", stdin="".join(f"{s}\t{t}\n" for s, t in pairs).encode()
    )
    assert (status, out.count("\n")) == (0, 2)
    [first, _] = expected.align(["the dog", "a cat"], [expected.tokenizer.encode(target) for _, target in pairs])
    assert [j for _, j in first] == [0, 1, 2]
    assert (tmp_path / "links").read_text(encoding="utf-8") == pharaoh(first) + "\n\n"


def test_no_half_alignment_stands_after_an_error(run, tmp_path):
    assert run("--alignment", tmp_path / "links", stdin=b"the dog\n\xff\n")[0] == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["--model", "nowhere", "x"], b"", "nowhere: no such run folder or checkpoint"),
        (["--model", "runs", "x"], b"", "runs: holds no checkpoint"),
        (["--input", "nowhere.txt"], b"", "--input nowhere.txt: cannot be read (No such file or directory)"),
        (["--input", "runs"], b"", "--input runs: cannot be read (Is a directory)"),
        (["--input", "x.txt", "text"], b"", "give TEXT or --input, not both"),
        (["\udcff"], b"", "TEXT is not valid UTF-8"),
        (
            ["--require", "we", "--require", "\udcff", "x"],
            b"",
            "a text of --prefix, --ban or --require is not valid UTF-8",
        ),
        (["--score", "--beam", "4"], b"a\tb\n", "--beam has no meaning with --score"),
        (["--score", "--n-best", "2"], b"a\tb\n", "--n-best has no meaning with --score"),
        (["--score", "--sample"], b"a\tb\n", "--sample has no meaning with --score"),
        (["--score", "--ban", "b"], b"a\tb\n", "--ban has no meaning with --score"),
        ([], b"one\ntwo\nthr\xffee\n", "standard input: line 3 is not UTF-8 (byte 4 of the line)"),
        (
            ["--split-sentences", "--prefix", "we", "We see. Dogs run."],
            b"",
            "TEXT: line 1 takes several parts to translate",
        ),
        (["--require", "we", "x" * 1001], b"", "TEXT: line 1 takes several parts to translate"),
        (["--workers", "0", "x"], b"", "workers is 0; it must be from 1 to"),
        (["--workers", "1000000", "x"], b"", "workers is 1000000; it must be from 1 to"),
        (["--beam", "0", "x"], b"", "beam is 0; it must be a whole number of at least 1"),
        (["--beam", "2", "--n-best", "3", "x"], b"", "n-best is 3; it must be at most the beam (2)"),
        (["--top-k", "5", "x"], b"", "--top-k only has a meaning with --sample"),
        (["--sample", "--top-p", "2", "x"], b"", "top-p is 2.0; it must be above 0 and at most 1"),
        (["--sample", "--beam", "2", "x"], b"", "give --sample or --beam, not both"),
        (["--attention", "a.png", "x", "y"], b"", "--attention shows one sentence: give exactly one TEXT"),
        (["--attention", "a.png", " "], b"", "--attention shows one sentence: give exactly one TEXT"),
        (["--attention", "a.png", "x" * 400], b"", "attention between"),
        (["--explain"], b"x\n", "--explain shows one sentence: give exactly one TEXT"),
        (["--explain", "x " * 501], b"", "TEXT: line 1 has 1,001 tokens, more than 1,000: split it into sentences"),
        (["--explain", "--score", "x"], b"", "give --explain or --score, not both"),
        (["--explain", "--sample", "x"], b"", "--explain shows beam search: give --explain or --sample, not both"),
        (["--attention", "a.gif", "x"], b"", "a.gif: attention is drawn as .png or .html"),
        (
            ["--output", "a", "--alignment", "./a", "x"],
            b"",
            "two of --output, --alignment, --attention and --trace name the same",
        ),
        (
            ["--output", "a.png", "--attention", "a.png", "x"],
            b"",
            "two of --output, --alignment, --attention and --trace name",
        ),
        (["--output", "runs", "x"], b"", "runs: is a folder"),
        (["--score", "no tab"], b"", "TEXT: line 1 has no tab: --score reads source TAB target"),
        (["--score"], b"a\tb\n\tb\n", "standard input: line 2 has a blank source"),
        (["--attention", "a.png", "--score", "x"], b"", "give --attention or --score, not both"),
        (["--coverage", "-1", "x"], b"", "coverage is -1.0; it must be at least 0"),
        (["--sample", "--prefix", "a", "x"], b"", "coverage and constraints steer the search"),
        (["--min-length", "-1", "x"], b"", "min-length is -1; it must be at least 0"),
        (["--min-length", "5", "--max-length", "4", "x"], b"", "max-length is 4; it must be at least min-length"),
        (["--max-length", "1", "--prefix", "the dog", "x"], b"", "max-length is 1, but prefix and required terms have"),
        (["--no-repeat-ngram", "0", "x"], b"", "no-repeat-ngram is 0; it must be at least 1"),
        (["--ban", " ", "x"], b"", "a banned term is blank"),
        (["--require", "", "x"], b"", "a required term is blank"),
        (["--prefix", "the dog", "--ban", "dog", "x"], b"", "TEXT: line 1 has no translation that fulfils"),
        (["--model", "runs/first", "--model", "runs/nowhere", "x"], b"", "runs/nowhere: no such run folder"),
        (["--serve", "x"], b"", "TEXT has no meaning with --serve"),
        (["--serve", "--input", "x.txt"], b"", "--input has no meaning with --serve"),
        (["--serve", "--split-sentences"], b"", "--split-sentences has no meaning with --serve"),
        (["--serve", "--workers", "2"], b"", "--workers has no meaning with --serve"),
        (["--serve", "--beam", "17"], b"", "beam is 17; the page takes at most 16"),
        (["--serve", "--port", "65536"], b"", "port is 65536; it must be from 0"),
        (["--serve", "--model", "nowhere"], b"", "nowhere: no such run folder or checkpoint"),
        (["--port", "8000", "x"], b"", "--port only has a meaning with --serve"),
    ],
)
def test_what_cannot_work_is_one_clear_line(run, arguments, stdin, message):
    status, out, err = run(*arguments, stdin=stdin)
    assert (status, out) == (2, "")
    assert err.startswith("translate.py: " + message)
    assert err.count("\n") == 1


def test_without_any_model_the_advice_is_to_train(run, tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)  # as if the package came without one
    status, out, err = run("Hello", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert "no trained model in runs/ yet: train one with python train.py" in err


def test_foreign_and_damaged_files_are_named(run, workplace, tmp_path):
    checkpoint = workplace / "runs" / "first" / "checkpoints" / "best.safetensors"
    for name, content in {
        "foreign.safetensors": b"PK\x03\x04 something else entirely",
        "cut.safetensors": checkpoint.read_bytes()[:-100],
        "empty.safetensors": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        status, out, err = run("--model", tmp_path / name, "x")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert name in err


def test_a_line_that_cannot_be_translated_leaves_no_output_file(run, tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("of yesterday")
    assert run("--output", target, stdin=b"one\n\xff\n")[0] == 2
    assert target.read_text() == "of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_impossible_arguments_and_help(run):
    for arguments, status in ((["--beam", "many"], 2), (["--device", "tpu"], 2), (["--help"], 0)):
        with pytest.raises(SystemExit) as caught:
            run(*arguments)
        assert caught.value.code == status


def test_a_reader_that_went_away_ends_the_program_quietly(workplace):
    with subprocess.Popen(
        [sys.executable, str(ROOT / "translate.py"), "--beam", "1"],
        cwd=workplace,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"the dog\n")
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_sentence_does_not_wait_for_what_it_does_not_use(workplace):
    """Cold start: the heavy libraries are imported only where they are needed."""
    program = "from numpy_transformer.commands import translate; assert translate.main() == 0"
    script = f"import sys; sys.argv[1:] = ['the dog']; {program}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=workplace,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(result.stdout.split("\n")[-2].split())
    assert "numpy" in modules
    assert modules.isdisjoint({"matplotlib", "rich", "sacrebleu", "torch", "cupy"})


def test_workers_change_nothing(run, expected):
    texts = [*LINES[:5], "", "dogs run " * 5]
    translations = "".join(line + "\n" for line in expected.translate(texts))
    assert run("--workers", 3, stdin="\n".join(texts).encode()) == (0, translations, "")


ODD_LINES = {
    "empty input": (b"", 0),
    "one line end": (b"\n", 1),
    "blank lines": (b"\n\n \n\t\n", 4),
    "no line end at the end": (b"the dog\na cat", 2),
    "control characters": (bytes(range(1, 9)) + b"\x0b\x0c\x0e\x1b[31m\x7f\nthe dog\n\x00\x00\n", 3),
    "only control characters": (b"\x1c\x1d\n\x00\n", 2),
    "unknown scripts": ("雪が降る\nשלג\n❄️🏔\n\U0010ffff\ufffe\n".encode(), 4),
    "combining marks": ("e\u0301\u0301\u0301\n\u200b\n\u202eabc\n".encode(), 3),
    "carriage returns": (b"the dog\r\n\r\na\rcat\r\n", 3),
}


@pytest.mark.parametrize("case", ODD_LINES)
def test_odd_lines_keep_order_and_count(run, expected, case):
    stdin, count = ODD_LINES[case]
    status, out, err = run("--beam", 1, stdin=stdin)
    assert (status, out.count("\n"), err) == (0, count, "")
    lines = [line.removesuffix("\r") for line in stdin.decode().split("\n")][:count]
    assert out == "".join(line + "\n" for line in expected.translate(lines, beam=1))
    assert [not line.strip() for line in lines] <= [not line.strip() for line in out.split("\n")[:-1]]


def test_a_line_that_is_too_long_is_translated_in_parts_and_says_so(run):
    status, out, err = run("--beam", 1, stdin=b"one\n" + b"x" * 1001 + b"\ntwo\n")
    assert (status, out.count("\n")) == (0, 3)
    assert err == "standard input: line 2 is too long for the model: translated in 4 parts\n"


def test_a_line_beyond_all_bounds_is_refused_with_its_number(run, monkeypatch):
    monkeypatch.setattr(text_lines, "LONGEST_LINE", 1000)
    status, _, err = run("--beam", 1, stdin=b"one\n" + b"x" * 1000)
    assert (status, err) == (
        2,
        "translate.py: standard input: line 2 is 1,000 bytes long or longer: split it into sentences\n",
    )


def program(workplace: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess:
    """The program in a process of its own."""
    command = [sys.executable, str(ROOT / "translate.py"), "--beam", "1", *arguments]
    return subprocess.run(command, cwd=workplace, capture_output="stdout" not in options, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("lines", [1, 3000])
def test_a_full_disk_is_one_line(workplace, lines):
    with open("/dev/full", "wb") as full:
        done = program(workplace, input=b"the dog\n" * lines, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, b"translate.py: standard output: No space left on device\n")


def test_closed_standard_streams_are_one_line(workplace):
    for descriptor, message in (
        (0, b"no standard input: give TEXT or --input"),
        (1, b"no standard output: give --output"),
    ):
        done = program(workplace, *(["x"] if descriptor else []), preexec_fn=lambda d=descriptor: os.close(d))
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_a_reader_that_leaves_a_long_input_ends_the_program_quietly(workplace):
    with subprocess.Popen(
        [sys.executable, str(ROOT / "translate.py"), "--beam", "1", "--workers", "2"],
        cwd=workplace,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        writer = threading.Thread(target=feed, args=(process.stdin, b"the dog\n", 20_000))
        writer.start()
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith(b"\n")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
        writer.join()


def feed(pipe: Any, line: bytes, count: int) -> None:
    """Write to a program that may not read everything."""
    with suppress(BrokenPipeError):
        for _ in range(count):
            pipe.write(line)
    with suppress(BrokenPipeError):
        pipe.close()


def test_the_page_is_served_until_ctrl_c(workplace, run):
    with subprocess.Popen(
        [sys.executable, str(ROOT / "translate.py"), "--serve", "--port", "0"],
        cwd=workplace,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = re.fullmatch(
            r"open (http://127\.0\.0\.1:(\d+)/) in a browser on this computer; end with Ctrl-C\n",
            process.stderr.readline(),
        )
        assert address is not None
        with urllib.request.urlopen(address[1]) as answer:
            assert b"<!DOCTYPE html>" in answer.read()
        status, out, err = run("--serve", "--port", address[2])
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(
            f"translate.py: port {address[2]} is in use: end the program that uses it, or choose another"
        )
        process.send_signal(signal.SIGINT)
        assert (process.stderr.read(), process.stdout.read(), process.wait()) == ("ended\n", "", 0)
