"""python -m bpe: in pipes, from file to file, its messages about bad input, and its pages."""

import gzip
import json
import lzma
import os
import re
import signal
import subprocess
import sys
import time

import pytest

import bpe
from bpe import show
from bpe.__main__ import main

LINES = ["Zwei Hunde, zwei Katzen: 你好 😀", "", "  two\tdogs  ", "two cats\r", "\ufeffthe end"]
TEXT = "\n".join(LINES * 3) + "\n"


@pytest.fixture
def tokenizer_file(tmp_path):
    path = tmp_path / "tokenizer.json"
    bpe.train(LINES * 3, 290).save(path)
    return path


def run(*arguments, data=b""):
    return subprocess.run(
        [sys.executable, "-m", "bpe", *map(str, arguments)],
        input=data,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize("end", ["", "\n"])
def test_encode_and_decode_in_pipes_give_back_every_byte(tokenizer_file, end):
    data = (TEXT.rstrip("\n") + end).encode()
    encoded = run("encode", "--tokenizer", tokenizer_file, data=data)
    assert encoded.stderr == b""
    tokenizer = bpe.Tokenizer.load(tokenizer_file)
    first = encoded.stdout.split(b"\n")[0]
    assert [int(word) for word in first.split()] == tokenizer.encode(LINES[0])
    assert encoded.stdout.count(b"\n") == data.count(b"\n")
    assert run("decode", "--tokenizer", tokenizer_file, data=encoded.stdout).stdout == data


@pytest.mark.parametrize(("suffix", "opener"), [("", open), (".gz", gzip.open), (".xz", lzma.open)])
def test_from_file_to_file(suffix, opener, tokenizer_file, tmp_path):
    source = tmp_path / f"text{suffix}"
    with opener(source, "wb") as file:
        file.write(TEXT.encode())
    ids, back = tmp_path / "ids", tmp_path / "back"
    assert main(["encode", str(source), "--tokenizer", str(tokenizer_file), "--output", str(ids)]) == 0
    assert main(["decode", str(ids), "--tokenizer", str(tokenizer_file), "--output", str(back)]) == 0
    assert back.read_bytes() == TEXT.encode()
    assert {path.name for path in tmp_path.iterdir()} == {source.name, "ids", "back", "tokenizer.json"}


def test_train_from_files_equals_train_in_python(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("\ufeff" + TEXT, encoding="utf-8", newline="")
    with gzip.open(tmp_path / "b.gz", "wb") as file:
        file.write(b"more text\r\nmore text\r\n")
    output = tmp_path / "tokenizer.json"
    files = [str(tmp_path / "a.txt"), str(tmp_path / "b.gz")]
    options = ["--vocabulary", "300", "--special", "<de>", "--protect", "zwei Katzen", "--pattern", "cl100k"]
    assert main(["train", *files, "--output", str(output), *options]) == 0
    lines = [line.removesuffix("\r").removeprefix("\ufeff") for line in TEXT.split("\n")[:-1]] + ["more text"] * 2
    expected = bpe.train(
        lines,
        300,
        special_tokens=["<pad>", "<bos>", "<eos>", "<de>"],
        protected_terms=["zwei Katzen"],
        pattern=bpe.CL100K_PATTERN,
    )
    assert bpe.Tokenizer.load(output).digest == expected.digest
    assert expected.digest in capsys.readouterr().err


def test_train_from_standard_input_says_when_it_stops_early(tmp_path):
    result = run("train", "--vocabulary", "5000", "--output", tmp_path / "t.json", data=b"abc abc\n")
    assert result.returncode == 0
    assert re.search(rb"note: the vocabulary stops at \d+ of 5,000 tokens", result.stderr)
    assert result.stdout == b""


def test_special_tokens_only_where_asked(tokenizer_file):
    line = b"two<eos>dogs\n"
    assert b" 2 " not in run("encode", "--tokenizer", tokenizer_file, data=line).stdout
    ids = run("encode", "--tokenizer", tokenizer_file, "--allow-special", data=line).stdout
    assert b" 2 " in ids
    assert run("decode", "--tokenizer", tokenizer_file, data=ids).stdout == b"twodogs\n"
    assert run("decode", "--tokenizer", tokenizer_file, "--keep-special", data=ids).stdout == line


def test_pieces_and_dropout(tokenizer_file):
    whole = run("encode", "--tokenizer", tokenizer_file, "--pieces", data=b"two dogs\n").stdout.decode()
    assert whole.replace(" ", "").replace("Ġ", " ") == "two dogs\n"
    dropout = ["encode", "--tokenizer", tokenizer_file, "--dropout", "0.5", "--seed", "3"]
    once, again = (run(*dropout, data=b"two dogs\n" * 9).stdout for _ in range(2))
    assert once == again
    assert len(set(once.splitlines())) > 1  # every line has its own draws


def test_the_end_of_a_pipe_is_no_error(tokenizer_file):
    command = f"'{sys.executable}' -m bpe encode --tokenizer '{tokenizer_file}' | head -n 1"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    data = TEXT.encode() * 3000
    result = subprocess.run(command, shell=True, input=data, capture_output=True, env=environment, check=False)
    assert result.stderr == b""
    assert result.stdout.count(b"\n") == 1


@pytest.mark.parametrize(
    ("arguments", "content", "message"),
    [
        (["encode", "INPUT"], b"fine\nbad \xff\n", r"input, line 2: not UTF-8"),
        (["encode", "absent"], b"", r"cannot read absent: No such file"),
        (["encode", "."], b"", r"cannot read \.: Is a directory"),
        (["encode", "INPUT", "--dropout", "2"], b"x\n", r"dropout is a probability, from 0 to 1, not 2"),
        (["encode", "INPUT", "--output", "no/where"], b"x\n", r"cannot write no/where: No such file"),
        (["decode", "INPUT"], b"70 71\n70 x\n", r"input, line 2: not a line of ids"),
        (["decode", "INPUT"], b"70\n\n99999\n", r"input, line 3: id 99999 is not in the vocabulary"),
        (["decode", "INPUT", "--output", "OUTPUT"], b"70\n-1\n", r"input, line 2: id -1 is not"),
        (["encode", "INPUT.gz"], b"no gzip", r"cannot read .*input.gz: Not a gzipped file"),
        (["encode", "INPUT.xz"], b"no xz", r"cannot read .*input.xz: Input format not supported"),
        (["encode", "INPUT.gz"], gzip.compress(b"x" * 99)[:-9], r"cannot read .*input.gz: Compressed file ended"),
        (["encode", "INPUT.gz"], gzip.compress(b"x")[:10] + b"\xff" * 9, r"cannot read .*input.gz: Error -3"),
        (["encode", "INPUT", "--output", "."], b"x\n", r"cannot write \.: Is a directory"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, content, message, tokenizer_file, tmp_path, capsys):
    name = next((word.replace("INPUT", "input") for word in arguments if word.startswith("INPUT")), "input")
    (tmp_path / name).write_bytes(content)
    files = {"INPUT": str(tmp_path / "input"), "OUTPUT": str(tmp_path / "output")}
    words = [files.get(word, word.replace("INPUT", files["INPUT"])) for word in arguments]
    assert main([*words, "--tokenizer", str(tokenizer_file)]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {name, "tokenizer.json"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--vocabulary", "-5"], "a vocabulary of -5 is too small"),
        (["--pattern", "("], "does not compile"),
        (["--special", "<eos>"], "'<eos>' is given twice"),
        (["--minimum-frequency", "0"], "minimum_frequency must be at least 1"),
        (["--processes", "0"], "processes must be at least 1"),
        (["--pattern", "a\udcff"], "holds a lone surrogate"),
    ],
)
def test_impossible_training_is_one_line_and_status_2(options, message, tmp_path, capsys):
    (tmp_path / "input").write_text("some text\n")
    output = tmp_path / "tokenizer.json"
    assert main(["train", str(tmp_path / "input"), "--output", str(output), *options]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_training_for_nowhere_is_refused_before_the_work(tmp_path, capsys):
    assert main(["train", "absent", "--output", str(tmp_path / "no" / "t.json")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["train", "absent", "--output", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("command", ["show low", "encode --tokenizer '{}' '{}'"])
@pytest.mark.parametrize(
    ("output", "message"),
    [("/dev/full", "cannot write standard output: No space left on device"), ("&-", "there is no standard output")],
)
def test_a_standard_output_that_takes_nothing(command, output, message, tokenizer_file):
    command = command.format(tokenizer_file, tokenizer_file)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    line = f"'{sys.executable}' -m bpe {command} >{output}"
    result = subprocess.run(line, shell=True, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1


def test_without_standard_input_and_error(tokenizer_file):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    line = f"'{sys.executable}' -m bpe encode --tokenizer '{tokenizer_file}' <&-"
    result = subprocess.run(line, shell=True, capture_output=True, text=True, env=environment, check=False)
    assert (result.returncode, result.stderr) == (2, "error: there is no standard input: name a file\n")
    result = subprocess.run(f"{line} 2>&-", shell=True, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    assert (result.returncode, result.stdout) == (2, "")  # the message did not end up among the ids


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal to a Windows subprocess")
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_is_one_line_and_leaves_no_file(processes, tmp_path):
    """Ctrl-C as a terminal sends it: to the program and to its counting processes."""
    command = ["-m", "bpe", "train", "--output", str(tmp_path / "t.json"), "--processes", str(processes)]
    # Tests that run in the background are deaf to SIGINT, and so is whatever they start.
    script = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.executable, sys.argv[1:])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script, sys.executable, *command],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as program:
        # More than fits into the pipe and several shares: when the rest is taken, the counting has begun.
        program.stdin.write(b"low lower lowest\n" * (1 << 20))
        program.stdin.flush()
        time.sleep(0.5)  # processes that wait for more are those that complained
        os.killpg(program.pid, signal.SIGINT)
        *progress, last = program.stderr.read().splitlines()  # a slow machine says how far it is
        assert last == b"interrupted"
        assert all(b": " in line and b"Error" not in line for line in progress), progress
    assert program.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_tokenizer(tmp_path, capsys):
    (tmp_path / "x.json").write_text("{}")
    assert main(["encode", "--tokenizer", str(tmp_path / "x.json")]) == 2
    assert "is not a bpe tokenizer" in capsys.readouterr().err


# Show


def test_show_tells_the_example_of_the_paper():
    story = run("show", "lowest newest").stdout.decode()
    assert "low ×5, lower ×2, newest ×6, widest ×3" in story
    assert re.search(r"1  e \+ s +9 times  \[es\]\n +2  es \+ t +9 times  \[est\]\n +3  l \+ o +7 times", story)
    assert re.search(r"bytes +l o w e s t\n +1  e \+ s +l o w \[es\] t\n", story)
    assert "Tokens  [low] [est] [␣] [newest]" in story
    assert "13 characters, 13 bytes, 4 tokens" in story


def test_counts_of_the_learning_are_those_at_the_time():
    steps = list(show.learning_steps(show.EXAMPLE_CORPUS, show.example_tokenizer()))
    assert [count for _, _, count in steps] == [9, 9, 7, 7, 6, 6, 6, 3, 3, 3]


def test_show_makes_everything_visible(tokenizer_file):
    story = run("show", "a\tb\n\x07é 你\u200b", "--tokenizer", tokenizer_file).stdout.decode()
    for sign in ("⇥", "↵", "<7>", "␣", "<c3>"):
        assert sign in story
    assert "Learning" not in story
    assert "1 character, 2 bytes" in show.terminal(bpe.Tokenizer([]), "é")
    assert "0 tokens" in show.terminal(bpe.Tokenizer([]), "")


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (b" dog", "␣dog"),
        ("\u00fc日本".encode(), "ü日本"),
        (b"\xc3", "<c3>"),
        (b"\n\t\x00", "↵⇥<0>"),
        (b" \xe6\x97", "␣<e6 97>"),
        (b"\xa5\xe6", "<a5 e6>"),
        ("\u200b".encode(), "<200b>"),
        ("\u0308x".encode(), "◌\u0308x"),
        (b"", ""),
    ],
)
def test_every_token_can_be_read(token, shown):
    assert show.visible(token) == shown


def test_steps_end_in_what_encode_gives():
    tokenizer = bpe.train(LINES * 3, 290)
    ranks = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    for pretoken in ("Zwei", " Katzen", "😀", "zweizwei"):
        *_, (_, parts) = show.encoding_steps(pretoken.encode(), ranks)
        assert parts == [tokenizer.vocabulary[token_id] for token_id in tokenizer.encode(pretoken)]


def test_protected_terms_are_shown_whole():
    tokenizer = bpe.Tokenizer([], protected_terms=["New York"])
    assert "protected term    [New␣York]" in show.terminal(tokenizer, "in New York")
    assert '["4e657720596f726b"]' in show.page(tokenizer, "in New York", source="")


def test_colours_are_for_terminals():
    assert "\x1b" not in show.terminal(bpe.Tokenizer([]), "a")
    assert "\x1b[" in show.terminal(bpe.Tokenizer([]), "a", colour=True)


def test_page_is_whole_and_carries_its_data(tokenizer_file, tmp_path):
    text = "two dogs</script><b>&amp;"
    output = tmp_path / "page.html"
    assert main(["show", text, "--tokenizer", str(tokenizer_file), "--html", str(output)]) == 0
    html = output.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=|url\(|https?:""", html)  # complete in itself
    assert html.count("</script>") == 2  # the text did not end one
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])
    assert bytes.fromhex("".join(map("".join, data["pretokens"]))).decode() == text
    # Applying the merges to the pre-tokens, as the page does, gives the tokens.
    tokenizer = bpe.Tokenizer.load(tokenizer_file)
    ids = []
    for parts in data["pretokens"]:
        for _, left, right in data["merges"]:
            position = 0
            while position < len(parts) - 1:
                if parts[position : position + 2] == [left, right]:
                    parts[position : position + 2] = [left + right]
                position += 1
        ids += [data["ids"][part] for part in parts]
    assert ids == tokenizer.encode(text)
