"""Files of other tokenizers: read, written, and (where those are installed) used by them with the same ids."""

import base64
import io
import json
import pickle
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpe
from bpe.formats import (
    SUBWORD_NMT_PATTERN,
    read_huggingface,
    read_subword_nmt,
    read_tiktoken,
    write_huggingface,
    write_subword_nmt,
    write_tiktoken,
)
from bpe.formats.ranks import recover_merges

LINES = [
    "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
    "Two young, White males are outside near many bushes; they don't care.",
    "In 1999 12345 people said: ünïcödé, 你好吗, 你好, नमस्ते, 😀😀👩‍👩‍👧.",
    "low low low low low lower lower newest newest newest newest newest newest widest widest widest",
] * 2
TOKENIZERS = {
    "gpt2": bpe.train(LINES, 420),
    "cl100k": bpe.train(LINES, 415, pattern=bpe.CL100K_PATTERN, special_tokens=["<|end|>"]),
    "terms": bpe.train(LINES, 410, protected_terms=["White males", "你好吗"]),
    "ids": bpe.Tokenizer(
        [(b"a", b"b"), (b"ab", b"c")], special_tokens={"<x>": 5}, token_ids=[*range(256, 512), 0, 900]
    ),
}
# The peers' tables of Unicode may be older than ours: no characters that few know.
CHARACTERS = st.characters(max_codepoint=0x2FFF, exclude_categories=("Cn", "Cs")) | st.sampled_from("你好吗😀👩‍𝔘\u3000")
TEXTS = st.text(CHARACTERS, max_size=40) | st.lists(
    st.sampled_from([*" ".join(LINES[:4]).split(" "), "", "\n", "'S", "1", "\t", "<pad>", "<|end|>"]), max_size=15
).map(" ".join)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_huggingface_round_trip(name, tmp_path):
    tokenizer = TOKENIZERS[name]
    write_huggingface(tokenizer, tmp_path / "tokenizer.json")
    again = read_huggingface(tmp_path / "tokenizer.json")
    assert again.digest == tokenizer.digest
    assert again.encode_batch(LINES) == tokenizer.encode_batch(LINES)


@pytest.mark.parametrize("name", ["gpt2", "cl100k"])
def test_tiktoken_round_trip(name, tmp_path):
    tokenizer = TOKENIZERS[name]
    write_tiktoken(tokenizer, tmp_path / "ranks.tiktoken")
    again = read_tiktoken(
        tmp_path / "ranks.tiktoken", pattern=tokenizer.pattern, special_tokens=tokenizer.special_tokens
    )
    assert again.merges == tokenizer.merges
    assert again.vocabulary == tokenizer.vocabulary
    assert again.encode_batch(LINES) == tokenizer.encode_batch(LINES)


def test_merges_are_recovered_from_tokens():
    merges = TOKENIZERS["gpt2"].merges
    assert recover_merges([left + right for left, right in merges]) == merges
    with pytest.raises(bpe.TokenizerError, match=r"token 1, b'abc', was not learned by BPE.* into 3 parts"):
        recover_merges([b"xy", b"abc"])


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(max_examples=40)
@given(texts=st.lists(TEXTS, min_size=20, max_size=20))
def test_huggingface_gives_the_same_ids(name, texts):
    peers = pytest.importorskip("tokenizers", reason="Hugging Face tokenizers is not installed")
    tokenizer = TOKENIZERS[name]
    peer = peers.Tokenizer.from_str(_written(write_huggingface, tokenizer))
    peer.encode_special_tokens = True  # or it finds special tokens in any text
    texts = [*texts, *LINES]
    assert [encoding.ids for encoding in peer.encode_batch(texts)] == tokenizer.encode_batch(texts)


@pytest.mark.parametrize("name", ["gpt2", "cl100k"])
@settings(max_examples=40)
@given(texts=st.lists(TEXTS, min_size=20, max_size=20))
def test_tiktoken_gives_the_same_ids(name, texts):
    tiktoken = pytest.importorskip("tiktoken", reason="tiktoken is not installed")
    tokenizer = TOKENIZERS[name]
    ranks = {}
    for line in _written(write_tiktoken, tokenizer).splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    peer = tiktoken.Encoding(
        name, pat_str=tokenizer.pattern, mergeable_ranks=ranks, special_tokens=tokenizer.special_tokens
    )
    texts = [*texts, *LINES]
    assert [peer.encode_ordinary(text) for text in texts] == tokenizer.encode_batch(texts)


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k"])
def test_a_tokenizer_trained_by_huggingface_is_read(pattern, tmp_path):
    peers = pytest.importorskip("tokenizers", reason="Hugging Face tokenizers is not installed")
    peer = peers.Tokenizer(peers.models.BPE())
    byte_level = peers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern == "gpt2")
    split = peers.pre_tokenizers.Split(peers.Regex(bpe.CL100K_PATTERN), "isolated")
    steps = [byte_level] if pattern == "gpt2" else [split, byte_level]
    peer.pre_tokenizer = peers.pre_tokenizers.Sequence(steps)
    trainer = peers.trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=peers.pre_tokenizers.ByteLevel.alphabet(),
    )
    peer.train_from_iterator(LINES, trainer)
    peer.save(str(tmp_path / "tokenizer.json"))
    tokenizer = read_huggingface(tmp_path / "tokenizer.json")
    assert tokenizer.special_tokens == {"<s>": 0, "</s>": 1}
    assert len(tokenizer) == peer.get_vocab_size()
    assert [encoding.ids for encoding in peer.encode_batch(LINES)] == tokenizer.encode_batch(LINES)


def _written(write, tokenizer):
    with tempfile.TemporaryDirectory() as folder:
        write(tokenizer, Path(folder) / "file")
        return (Path(folder) / "file").read_text(encoding="utf-8")


# Hugging Face files that are not what we can read


def added(content, token_id, *, special=False, **options):
    """An entry of added_tokens, as the file has it."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token_id, "content": content, "special": special, **flags, **options}


def _changed(tmp_path, change):
    document = json.loads(_written(write_huggingface, TOKENIZERS["gpt2"]))
    change(document)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("model"), "is not a tokenizer.json"),
        (lambda d: d["model"].pop("vocab"), "is not a tokenizer.json"),
        (lambda d: d.update(model=7), "is not a tokenizer.json"),
        (lambda d: d["model"].update(type="WordPiece"), "its model is WordPiece, not BPE"),
        (lambda d: d["model"].update(byte_fallback=True), "sets byte_fallback"),
        (lambda d: d["model"].update(end_of_word_suffix="</w>"), "sets end_of_word_suffix"),
        (lambda d: d.update(normalizer={"type": "NFKC"}), r"its normalizer changes the text \(NFKC\)"),
        (
            lambda d: d.update(
                normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}
            ),
            r"its normalizer changes the text \(Lowercase\)",
        ),
        (lambda d: d.update(pre_tokenizer=None), "not ByteLevel"),
        (lambda d: d["pre_tokenizer"].update(add_prefix_space=True), "adds a space"),
        (lambda d: d["pre_tokenizer"].update(use_regex=False), "not one split by a regular expression"),
        (lambda d: d["model"]["vocab"].pop("A"), "lacks 1 of the 256 bytes, 'A'"),
        (lambda d: d["model"]["vocab"].update({"zÃz": 9999}), "no merge makes its token 'zÃz', which is no text"),
        (
            lambda d: (d["model"].update(ignore_merges=True), d["model"]["vocab"].update(zzz=9999)),
            "sets ignore_merges, and no merge makes 'zzz'",
        ),
        (lambda d: d["model"]["merges"].append(["q", "q"]), "makes a token without an id"),
        (lambda d: d["model"]["merges"].insert(0, ["qq", "q"]), "merge 0, 'qq q'.*'qq' is neither"),
        (lambda d: d["model"]["merges"].insert(0, ["q"]), "merge 0, 'q', is not two parts"),
        (
            lambda d: d.update(normalizer={"type": "NFC"}, added_tokens=[added("x", 900, normalized=True)]),
            "'x' is looked for in the normalized text",
        ),
        (
            lambda d: d.update(added_tokens=[added("xy", 900, normalized=True), added("yz", 901)]),
            "'yz' and 'xy' overlap",
        ),
    ],
)
def test_other_huggingface_files_are_refused_with_the_reason(change, message, tmp_path):
    with pytest.raises(bpe.TokenizerError, match=message) as caught:
        read_huggingface(_changed(tmp_path, change))
    assert "tokenizer.json" in str(caught.value)


@pytest.fixture
def roberta(tmp_path):
    """A small file with every particularity of roberta-base's: <mask> takes spaces along, four tokens nobody makes."""

    def change(document):
        vocabulary = document["model"]["vocab"]
        for name in ("<pad>", "<bos>", "<eos>"):
            del vocabulary[name]
        size = max(vocabulary.values()) + 1
        names = ["<s>", "<pad>", "</s>", "<unk>", "<|endoftext|>", "madeupword0000", "madeupword0001", "<mask>"]
        vocabulary |= {name: size + number for number, name in enumerate(names)}
        specials = [*names[:4], "<mask>"]
        document["added_tokens"] = [
            added(name, vocabulary[name], special=True, lstrip=name == "<mask>", normalized=name != "<mask>")
            for name in specials
        ]
        document["post_processor"] = {
            "type": "RobertaProcessing",
            "sep": ["</s>", vocabulary["</s>"]],
            "cls": ["<s>", vocabulary["<s>"]],
            "trim_offsets": True,
            "add_prefix_space": False,
        }

    return _changed(tmp_path, change)


@pytest.fixture
def qwen(tmp_path):
    """A small file with every particularity of Qwen 2's: NFC, its own pattern, added tokens behind the vocabulary."""
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    path = tmp_path / "tokenizer.json"
    write_huggingface(bpe.train(LINES, 400, pattern=pattern, special_tokens=[]), path)
    document = json.loads(path.read_text(encoding="utf-8"))
    size = len(document["model"]["vocab"])
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>"]
    document["added_tokens"] = [
        added(name, size + number, special=name != "<tool_call>") for number, name in enumerate(names)
    ]
    document["normalizer"] = {"type": "NFC"}
    document["model"].update(continuing_subword_prefix="", end_of_word_suffix="")
    document["model"]["merges"] = [" ".join(pair) for pair in document["model"]["merges"]]
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


DECOMPOSED = "Ma\u0308nner, Bu\u0308sche, cafe\u0301"


def test_roberta_is_read(roberta):
    tokenizer = read_huggingface(roberta)
    special = tokenizer.special_tokens
    plain = tokenizer.encode("Two young", allowed_special="all")
    assert tokenizer.encode("Two young \t<mask> males", allowed_special="all") == [
        *plain,
        special["<mask>"],
        *tokenizer.encode(" males"),
    ]
    assert special["<mask>"] not in tokenizer.encode("<mask>")  # text alone never makes one
    made_up = special["madeupword0000"]
    assert made_up not in tokenizer.encode("madeupword0000")
    assert tokenizer.decode([made_up], keep_special=True) == "madeupword0000"
    ids, spans = tokenizer.encode_with_offsets("Two <mask>.", allowed_special={"<mask>"})
    assert spans[ids.index(special["<mask>"])] == (3, 10)  # with the space


def test_qwen_is_read(qwen):
    tokenizer = read_huggingface(qwen)
    assert tokenizer.normalization == "NFC"
    assert tokenizer.encode(DECOMPOSED) == tokenizer.encode("Männer, Büsche, café")
    assert tokenizer.encode_batch([DECOMPOSED])[0] == tokenizer.encode(DECOMPOSED)
    assert tokenizer.decode(tokenizer.encode(DECOMPOSED)) == "Männer, Büsche, café"
    assert tokenizer.vocabulary[tokenizer.encode("a<tool_call>b")[1]] == b"<tool_call>"
    assert "".join(tokenizer.pretokenize(DECOMPOSED)) == "Männer, Büsche, café"


@pytest.mark.parametrize("write", [write_tiktoken, write_subword_nmt])
def test_formats_that_cannot_compose_text_refuse_to_lose_it(write, tmp_path):
    tokenizer = bpe.Tokenizer([], pattern=SUBWORD_NMT_PATTERN, special_tokens=[], normalization="NFC")
    with pytest.raises(bpe.TokenizerError, match=r"cannot normalize text first \(NFC\)"):
        write(tokenizer, tmp_path / "file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"normalization": "NFKC"}, 'normalization is "NFC" or None'),
        ({"term_options": {"x": ["lstrip"]}}, "'x', which is neither a protected term nor a special token"),
        ({"term_options": {"<pad>": ["strip"]}}, "has the option 'strip'; known are lstrip, rstrip, single_word"),
    ],
)
def test_options_that_do_not_exist_are_named(arguments, message):
    with pytest.raises(bpe.TokenizerError, match=message):
        bpe.Tokenizer([], **arguments)


@pytest.mark.parametrize(
    ("options", "text", "pieces"),
    [
        ({"lstrip": True}, "a \n xy b", ["a", "xy", " b"]),
        ({"rstrip": True}, "a xy \u3000b", ["a ", "xy", "b"]),
        ({"lstrip": True, "rstrip": True}, " xy xy ", ["xy", "xy"]),
        ({"single_word": True}, "xy axy (xy) xy_ xy-5xy", ["xy", " axy (", "xy", ") xy_ ", "xy", "-5xy"]),
        ({"single_word": True}, "\u0300xy", ["\u0300xy"]),
        ({"single_word": True, "lstrip": True}, "a xy", ["a", "xy"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("special", [True, False])
def test_added_tokens_with_options_are_found_as_the_file_says(options, special, text, pieces, tmp_path):
    path = _changed(tmp_path, lambda d: d["added_tokens"].append(added("xy", 900, special=special, **options)))
    tokenizer = read_huggingface(path)
    expected = [i for piece in pieces for i in ([900] if piece == "xy" else tokenizer._encode_plain(piece))]
    assert tokenizer.encode(text, allowed_special="all") == expected
    # They survive our own file, the way back, and pickling.
    tokenizer.save(tmp_path / "ours.json")
    write_huggingface(tokenizer, tmp_path / "theirs.json")
    for again in (
        bpe.Tokenizer.load(tmp_path / "ours.json"),
        read_huggingface(tmp_path / "theirs.json"),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert again.encode(text, allowed_special="all") == expected
        assert again.digest == tokenizer.digest


def test_a_term_that_repeats_a_million_times_takes_linear_time(tmp_path):
    """Each occurrence looks only at its own surroundings."""
    tokenizer = bpe.Tokenizer([], protected_terms=["xy"], term_options={"xy": ["lstrip", "rstrip", "single_word"]})
    assert tokenizer.encode("xy " * 200_000) == [tokenizer.added_ids["xy"]] * 200_000


@pytest.mark.parametrize("name", ["roberta", "qwen"])
def test_huggingface_gives_the_same_ids_for_imported_files(name, request):
    peers = pytest.importorskip("tokenizers", reason="Hugging Face tokenizers is not installed")
    path = request.getfixturevalue(name)
    peer, ours = peers.Tokenizer.from_file(str(path)), read_huggingface(path)
    texts = [
        *LINES,
        DECOMPOSED,
        " <mask>",
        "a <mask>\tb <s>c</s>",
        "<|im_start|>user<|im_end|>",
        "<tool_call> <tool_call>",
        ">\u0338",
    ]
    for text in texts:
        assert ours.encode(text, allowed_special="all") == peer.encode(text, add_special_tokens=False).ids, text


PARTS = st.sampled_from(["xy", "xyz", " ", "\n", "\u3000", "\x1c", "a", "_", "5", "-", "\u0300", "\u200d"])
FLAGS = st.fixed_dictionaries({option: st.booleans() for option in ("lstrip", "rstrip", "single_word")})


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.lists(PARTS).map("".join)), flags=st.tuples(FLAGS, FLAGS))
def test_huggingface_finds_added_tokens_with_options_in_the_same_places(texts, flags):
    peers = pytest.importorskip("tokenizers", reason="Hugging Face tokenizers is not installed")
    document = json.loads(_written(write_huggingface, TOKENIZERS["gpt2"]))
    document["added_tokens"] += [
        added(term, 900 + number, **options)
        for number, (term, options) in enumerate(zip(("xy", "xyz"), flags, strict=True))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tokenizer.json")
        path.write_text(json.dumps(document), encoding="utf-8")
        peer, ours = peers.Tokenizer.from_file(str(path)), read_huggingface(path)
    # Without merges there is one id a token: the peer numbers added tokens from the end of the vocabulary.
    numbers = {peer.token_to_id(term): 900 + number for number, term in enumerate(("xy", "xyz"))}
    for text in texts:
        assert ours.encode(text) == [numbers.get(i, i) for i in peer.encode(text).ids], repr(text)


def test_merges_listed_for_every_pair_of_a_token_are_read_as_the_one_used(tmp_path):
    tokenizer = bpe.Tokenizer([(b"a", b"b"), (b"b", b"c"), (b"ab", b"c")])
    document = json.loads(_written(write_huggingface, tokenizer))
    document["model"]["merges"].append(["a", "bc"])  # as files converted from tiktoken have it
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_huggingface(path).merges == tokenizer.merges


def test_a_term_spelled_like_a_token_cannot_go_to_huggingface(tmp_path):
    tokenizer = bpe.Tokenizer([(b"a", b"b")], protected_terms=["ab"])
    with pytest.raises(bpe.TokenizerError, match="cannot tell 'ab'"):
        write_huggingface(tokenizer, tmp_path / "tokenizer.json")
    assert not list(tmp_path.iterdir())


# tiktoken files that are none


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lacks 256 of the 256 single bytes"),
        ("YQ== 0\nYg==", "line 2: not a token in base64"),
        ("YQ== 0\n???? 1", "line 2: not a token in base64"),
        ("YQ== 0\nYg== one", "line 2: not a token in base64"),
        ("YQ== 0\n\nYQ== 1", "line 3: token b'a' is empty or given twice"),
        (
            "".join(f"{base64.b64encode(bytes([b])).decode()} {b}\n" for b in range(256)) + "YWJj 300",
            "not learned by BPE",
        ),
        ("".join(f"{base64.b64encode(bytes([b])).decode()} 7\n" for b in range(256)), "id 7 is given to two tokens"),
    ],
)
def test_damaged_rank_files_are_named(content, message, tmp_path):
    path = tmp_path / "ranks.tiktoken"
    path.write_text(content)
    with pytest.raises(bpe.TokenizerError, match=f"ranks.tiktoken.*{message}"):
        read_tiktoken(path)


def test_what_tiktoken_cannot_do_is_refused(tmp_path):
    with pytest.raises(bpe.TokenizerError, match="in the order of the ids"):
        write_tiktoken(
            bpe.Tokenizer([(b"a", b"b"), (b"c", b"d")], special_tokens=(), token_ids=[*range(256), 300, 299]),
            tmp_path / "x",
        )
    with pytest.raises(bpe.TokenizerError, match="would merge differently"):
        # b + c is learned before ab + c: "abc" falls into a, bc, and tiktoken would join those.
        write_tiktoken(bpe.Tokenizer([(b"b", b"c"), (b"a", b"b"), (b"ab", b"c")]), tmp_path / "x")
    assert not list(tmp_path.iterdir())


# Damage of any kind


def _damaged(content, draw):
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 1, 2, 40, len(content)]))
        new = draw(
            st.sampled_from([b"", b"0", b'"', b"[", b"{}", b"null", b"-1", b"\xff", b" ", b"9" * 5000, b"\n", b"Q"])
        )
        content = content[:place] + new + content[place + length :]
    return content


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (bpe.Tokenizer.save, bpe.Tokenizer.load),
        (write_huggingface, read_huggingface),
        (write_tiktoken, read_tiktoken),
        (write_subword_nmt, read_subword_nmt),
    ],
)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line(write, read, data):
    pattern = SUBWORD_NMT_PATTERN if write is write_subword_nmt else bpe.GPT2_PATTERN
    tokenizer = bpe.Tokenizer([(b"l", b"o"), (b"lo", b"w"), (b"w", b" ")], pattern=pattern)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        write(tokenizer, path)
        path.write_bytes(_damaged(path.read_bytes(), data.draw))
        message = "file: read"
        try:
            read(path)
        except bpe.TokenizerError as error:
            message = str(error)
        assert "file" in message
        assert "\n" not in message


# subword-nmt

SENNRICH = "#version: 0.2\ne s\nes t</w>\nl o\nlo w</w>\nn e\n"


def _subwords(tokenizer, text):
    """Split as subword-nmt prints it: "@@" if the word continues."""
    parts = []
    for token_id in tokenizer.encode(text + " "):
        part = tokenizer.vocabulary[token_id].decode()
        if part == " ":  # an end of word that no merge joined
            parts[-1] = parts[-1].removesuffix("@@")
        else:
            parts.append(part.removesuffix(" ") if part.endswith(" ") else part + "@@")
    return " ".join(parts)


def test_subword_nmt_codes_are_read(tmp_path):
    (tmp_path / "codes").write_text(SENNRICH)
    tokenizer = read_subword_nmt(tmp_path / "codes")
    assert _subwords(tokenizer, "low lowest newest") == "low lo@@ w@@ est ne@@ w@@ est"
    assert tokenizer.decode(tokenizer.encode("low  lowest ")) == "low  lowest "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("#version: 0.3\na b", "unknown version '0.3' of the codes"),
        ("#version: 0.2\na b\na b c\n", "line 3: not two symbols"),
        ("#version: 0.2\na b\n\nc d\n", "line 3: not two symbols"),
        ("#version: 0.2\na b\nab cd\n", "line 3: made of symbols that no earlier line makes"),
        ("a b\na b\n", "line 2: .* made twice"),
    ],
)
def test_damaged_codes_are_named(content, message, tmp_path):
    (tmp_path / "codes").write_text(content)
    with pytest.raises(bpe.TokenizerError, match=f"codes.*{message}"):
        read_subword_nmt(tmp_path / "codes")


def test_subword_nmt_codes_round_trip(tmp_path):
    tokenizer = bpe.train([line + " " for line in LINES], 400, pattern=SUBWORD_NMT_PATTERN)
    # Codes are of characters: leave out the merges that join parts of two of them.
    merges = [pair for pair in tokenizer.merges if all(byte < 128 for byte in b"".join(pair))]
    tokenizer = bpe.Tokenizer(merges, pattern=SUBWORD_NMT_PATTERN)
    write_subword_nmt(tokenizer, tmp_path / "codes")
    assert read_subword_nmt(tmp_path / "codes").merges == tokenizer.merges


def test_what_codes_cannot_say_is_refused(tmp_path):
    with pytest.raises(bpe.TokenizerError, match="SUBWORD_NMT_PATTERN"):
        write_subword_nmt(TOKENIZERS["gpt2"], tmp_path / "codes")
    for merge in ((b" ", b"a"), (b"a", b"\xc3")):
        with pytest.raises(bpe.TokenizerError, match="cannot express the merge"):
            write_subword_nmt(bpe.Tokenizer([merge], pattern=SUBWORD_NMT_PATTERN), tmp_path / "codes")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_subword_nmt_splits_the_same(version, tmp_path):
    learn_bpe = pytest.importorskip("subword_nmt.learn_bpe", reason="subword-nmt is not installed")
    apply_bpe = pytest.importorskip("subword_nmt.apply_bpe", reason="subword-nmt is not installed")
    codes = tmp_path / "codes"
    if version == "0.2":
        with open(codes, "w", encoding="utf-8") as file:
            learn_bpe.learn_bpe(io.StringIO("\n".join(LINES)), file, 150)
    else:
        ascii_lines = [line + " " for line in LINES if line.isascii()]
        write_subword_nmt(bpe.train(ascii_lines, 320, pattern=SUBWORD_NMT_PATTERN), codes)
    with open(codes, encoding="utf-8") as file:
        peer = apply_bpe.BPE(file)
    tokenizer = read_subword_nmt(codes)
    for line in [*LINES, "lowers widestnewest Männchen x"]:
        if line.isascii() or version == "0.2":
            assert _subwords(tokenizer, line) == peer.process_line(line)
