"""Encoding and decoding: lossless for any text, equal to the definition, never a special id from text."""

import pickle
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import bpe
from bpe import reference
from bpe.merging import Dropout, merge_long, merge_short, merge_with_dropout
from bpe.pretokenizer import PreTokenizer, bytes_to_text, spell, text_to_bytes, unspell

TEXT = (
    "The cat sat on the mat; the cats sat there. Die Katze saß auf der Matte, die Kätzchen saßen dort. "
    "don't can't we'll 1999 2000 2001 aaaa aaaaaaa abab abababab 你好 你好吗 😀 👩‍👩‍👧 नमस्ते नमस्ते \n\n\t  end   "
)
TOKENIZER = bpe.train([TEXT] * 2, 360)
ANY_TEXT = (
    st.text(st.characters(exclude_categories=()))  # surrogates included
    | st.text("abcst'. \n\t\r\xa0\x1c\u2003ß你😀\u0301\ud83d\ude00", max_size=40)
    | st.lists(st.sampled_from(TEXT.split(" ")), max_size=12).map(" ".join)
)
PATTERNS = [bpe.GPT2_PATTERN, bpe.CL100K_PATTERN, r"\w+", r"(a)(b)?|\s"]


def naive_encode(tokenizer, text):
    ids = {token: token_id for token_id, token in tokenizer.text_vocabulary.items()}
    pieces = PreTokenizer(tokenizer.pattern).split(text)
    ranks = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    return [ids[part] for piece in pieces for part in reference.apply_merges(text_to_bytes(piece), ranks)]


@given(data=st.binary(max_size=30) | st.sampled_from(TEXT.split()).map(str.encode))
def test_the_reference_applies_one_merge_after_the_other(data):
    word = [bytes([byte]) for byte in data]
    for pair in TOKENIZER.merges:
        word = reference.join_pair(word, pair)
    assert reference.apply_merges(data, {pair: rank for rank, pair in enumerate(TOKENIZER.merges)}) == word


@given(text=ANY_TEXT)
@example("\ud800")
@example("\ud83d\ude00")  # two halves that are not the character they would make together
@example("a\x00\ud800é\udfff")
def test_lossless(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(text=ANY_TEXT)
@example("  a  b ")
@example(" a\n b \n\n  c")
@example("a\x1c b")
def test_equals_the_definition(text):
    assert TOKENIZER.encode(text) == naive_encode(TOKENIZER, text)


@given(text=ANY_TEXT, pattern=st.sampled_from(PATTERNS))
def test_every_pattern_keeps_every_character(text, pattern):
    assert "".join(PreTokenizer(pattern).split(text)) == text
    tokenizer = bpe.Tokenizer(TOKENIZER.merges, pattern=pattern)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(words=st.lists(st.text("ab'.1\n\t", max_size=4), max_size=10), pattern=st.sampled_from(PATTERNS[:2]))
def test_cutting_at_single_spaces_changes_nothing(words, pattern):
    text = " ".join(words)
    tokenizer = bpe.Tokenizer(TOKENIZER.merges, pattern=pattern)
    assert tokenizer.encode(text) == naive_encode(tokenizer, text)


def test_long_texts_are_cut_into_blocks_without_a_trace():
    text = ("The cat  sat on\n the mat. " * 100 + "x" * 3000 + " \n " * 50) * 2
    assert TOKENIZER.encode(text) == naive_encode(TOKENIZER, text)


@given(data=st.text("aab", max_size=200).map(str.encode) | st.binary(max_size=80))
def test_long_and_short_merging_agree(data):
    tokenizer = bpe.Tokenizer([(b"a", b"a"), (b"aa", b"a"), (b"a", b"b"), (b"aa", b"aa"), (b"aaa", b"ab")])
    arguments = data, tokenizer._table, tokenizer._parts
    assert merge_long(*arguments) == merge_short(*arguments)
    tokens = [tokenizer.vocabulary[tokenizer._ids[symbol]] for symbol in merge_long(*arguments)]
    assert tokens == reference.apply_merges(data, {pair: rank for rank, pair in enumerate(tokenizer.merges)})
    assert merge_with_dropout(*arguments, Dropout(1e-300, Random(0))) == merge_long(*arguments)


@given(text=st.text(max_size=200), cuts=st.lists(st.integers(0, 200)))
def test_full_caches_change_nothing(text, cuts):
    small = bpe.Tokenizer(TOKENIZER.merges, cache_size=2)
    none = bpe.Tokenizer(TOKENIZER.merges, cache_size=0)
    for cut in cuts:
        assert small.encode(text[:cut]) == none.encode(text[:cut]) == TOKENIZER.encode(text[:cut])
    assert len(small._pieces) <= 2
    assert len(small._later_words) <= 2
    assert not none._pieces


def test_overlong_words_are_not_cached():
    tokenizer = bpe.Tokenizer([])
    tokenizer.encode("x" * 1000 + " " + "y" * 1000)
    assert [tokenizer._pieces, tokenizer._first_words, tokenizer._later_words] == [{}, {}, {}]


def test_batch_equals_one_by_one():
    texts = [TEXT, "", " ", "cat", " cat", "a  b\n"]
    assert TOKENIZER.encode_batch(texts) == [TOKENIZER.encode(text) for text in texts]
    assert TOKENIZER.decode_batch(TOKENIZER.encode_batch(texts)) == texts


# Special tokens and protected terms


@given(
    text=st.text("<>padbose|/ \n", max_size=30) | st.lists(st.sampled_from(["<pad>", "<eos>", "<", "a"])).map("".join)
)
def test_text_never_yields_a_special_token(text):
    ids = TOKENIZER.encode(text)
    assert not set(ids) & set(TOKENIZER.special_tokens.values())
    assert TOKENIZER.decode(ids) == text


@given(parts=st.lists(st.sampled_from(["<pad>", "<eos>", "<eos", " cat", "\n"])))
def test_allowed_special_tokens(parts):
    text = "".join(parts)
    ids = TOKENIZER.encode(text, allowed_special={"<eos>"})
    assert ids.count(2) == text.count("<eos>")
    assert 0 not in ids
    assert TOKENIZER.decode(ids, keep_special=True) == text
    assert TOKENIZER.decode(ids) == text.replace("<eos>", "")
    everything = TOKENIZER.encode(text, allowed_special="all")
    assert (everything.count(0), everything.count(2)) == (text.count("<pad>"), text.count("<eos>"))


@pytest.mark.parametrize("allowed", [{"<unk>"}, "<eos>", ["<eos>", "</s>"]])
def test_only_special_tokens_can_be_allowed(allowed):
    with pytest.raises(bpe.TokenizerError, match=r"is not a special token|a set of names"):
        TOKENIZER.encode("x", allowed_special=allowed)


def test_special_tokens_with_ids_of_their_own():
    tokenizer = bpe.Tokenizer([(b"a", b"b")], special_tokens={"<end>": 257, "<x>": 3})
    assert sorted(tokenizer.vocabulary) == list(range(259))
    assert tokenizer.vocabulary[257] == b"<end>"
    assert (tokenizer.vocabulary[0], tokenizer.vocabulary[4]) == (b"\x00", b"\x03")
    assert tokenizer.vocabulary[258] == b"ab"
    assert tokenizer.decode([257, 258], keep_special=True) == "<end>ab"


def test_protected_terms_are_one_token_and_the_longest_wins():
    tokenizer = bpe.Tokenizer(TOKENIZER.merges, protected_terms=["New York", "New York City", "C++", "saß"])
    ids = tokenizer.encode("In New York City, C++ saß New York.")
    terms = [tokenizer.vocabulary[i].decode() for i in ids if i in tokenizer.added_ids.values()]
    assert terms == ["New York City", "C++", "saß", "New York"]
    assert tokenizer.decode(ids) == "In New York City, C++ saß New York."
    assert tokenizer.encode("York") == TOKENIZER.encode("York")
    assert tokenizer.pretokenize("a C++.") == ["a", " ", "C++", "."]
    with pytest.raises(bpe.TokenizerError, match="both a protected term and a special token"):
        bpe.Tokenizer([], protected_terms=["<pad>"])


@given(
    terms=st.lists(st.text("ab.", min_size=1, max_size=5), max_size=6),
    text=st.text("ab. ", max_size=30),
)
def test_terms_are_found_from_left_to_right_longest_first(terms, text):
    expected = []
    position = 0
    while position < len(text):
        here = [term for term in terms if text.startswith(term, position)]
        found = max(here, key=len, default="")
        if found:
            expected.append(found)
        position += len(found) or 1
    tokenizer = bpe.Tokenizer([], protected_terms=terms)
    ids = tokenizer.encode(text)
    assert [tokenizer.vocabulary[i].decode() for i in ids if i >= 259] == expected
    assert tokenizer.decode(ids) == text


# Dropout


@given(text=st.text(max_size=60), dropout=st.floats(0, 1), seed=st.integers(0, 9))
def test_dropout_is_lossless_and_repeatable(text, dropout, seed):
    ids = TOKENIZER.encode(text, dropout=dropout, seed=seed)
    assert TOKENIZER.decode(ids) == text
    assert TOKENIZER.encode(text, dropout=dropout, seed=seed) == ids
    assert len(ids) >= len(TOKENIZER.encode(text)) or dropout


def test_dropout_of_everything_leaves_the_bytes():
    assert TOKENIZER.encode("cat sat", dropout=1.0) == [3 + byte for byte in b"cat sat"]


def test_dropout_follows_the_distribution_of_the_paper():
    """Two merges, "ab" then "abc", on "abc": whole with probability (1-p)^2, "ab c" with (1-p)p, else bytes."""
    tokenizer = bpe.Tokenizer([(b"a", b"b"), (b"ab", b"c")])
    draws = 20_000
    lengths = [len(ids) for ids in tokenizer.encode_batch(["abc"] * draws, dropout=0.3, seed=1)]
    for length, probability in ((1, 0.7 * 0.7), (2, 0.7 * 0.3), (3, 0.3)):
        deviation = (probability * (1 - probability) / draws) ** 0.5
        assert abs(lengths.count(length) / draws - probability) < 5 * deviation


def test_dropout_draws_again_for_what_was_left_out():
    """On "abab" a place that was left out gets a second chance after the other place is merged."""
    tokenizer = bpe.Tokenizer([(b"a", b"b")])
    draws = 20_000
    lengths = [len(ids) for ids in tokenizer.encode_batch(["abab"] * draws, dropout=0.5, seed=2)]
    # Nothing: both left out, 1/4. One: one of the two merged (3/4), then the other left out (1/2).
    for length, probability in ((4, 0.25), (3, 0.375), (2, 0.375)):
        deviation = (probability * (1 - probability) / draws) ** 0.5
        assert abs(lengths.count(length) / draws - probability) < 5 * deviation


@pytest.mark.parametrize("dropout", [-0.1, 1.1, float("nan")])
def test_dropout_is_a_probability(dropout):
    with pytest.raises(bpe.TokenizerError, match="from 0 to 1"):
        TOKENIZER.encode("x", dropout=dropout)


# Decoding


@given(ids=st.lists(st.sampled_from(sorted(TOKENIZER.vocabulary))))
def test_any_ids_decode_and_bit_by_bit_to_the_same(ids):
    text = TOKENIZER.decode(ids)
    assert text_to_bytes(text).decode("utf-8", "surrogatepass") == text
    decoder = TOKENIZER.incremental_decoder()
    assert "".join(map(decoder.push, ids)) + decoder.finish() == text
    assert decoder.finish() == ""


@given(
    data=st.binary() | st.lists(st.sampled_from([b"\xed", b"\xa0", b"\x80", b"\xf0\x9f", b"\xe2", b"a"])).map(b"".join)
)
def test_bytes_decode_as_with_replacement_but_for_surrogates(data):
    text = bytes_to_text(data)
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert text == data.decode("utf-8", "replace")
    decoder = TOKENIZER.incremental_decoder()
    assert "".join(decoder.push(3 + byte) for byte in data) + decoder.finish() == text


def test_incremental_decoding_holds_back_no_whole_character():
    decoder = TOKENIZER.incremental_decoder()
    steps = [decoder.push(3 + byte) for byte in "aß你😀".encode()]
    assert steps == ["a", "", "ß", "", "", "你", "", "", "", "😀"]


@pytest.mark.parametrize("ids", [[360], [-1], [5, 10**9], [1.5], ["a"]])
def test_unknown_ids_are_named(ids):
    with pytest.raises(bpe.TokenizerError, match=r"is not in the vocabulary: 360 ids from 0 to 359"):
        TOKENIZER.decode(ids)


@pytest.mark.parametrize("ids", [[[1, 2]], 7, None])
def test_ids_are_a_flat_sequence(ids):
    with pytest.raises(bpe.TokenizerError, match="flat sequence"):
        TOKENIZER.decode(ids)


def test_arrays_decode_too():
    numpy = pytest.importorskip("numpy")
    ids = TOKENIZER.encode(TEXT)
    assert TOKENIZER.decode(numpy.array(ids, numpy.int32)) == TEXT


@pytest.mark.parametrize("text", [b"bytes", None, 7, ["a"]])
def test_only_text_can_be_encoded(text):
    for encode in (TOKENIZER.encode, TOKENIZER.encode_with_offsets, lambda text: TOKENIZER.encode_batch([text])):
        with pytest.raises(bpe.TokenizerError, match="only a str can be encoded"):
            encode(text)
    with pytest.raises(bpe.TokenizerError, match="not one str"):
        TOKENIZER.encode_batch("abc")


# Offsets


@given(text=ANY_TEXT)
def test_offsets(text):
    ids, spans = TOKENIZER.encode_with_offsets(text)
    assert ids == TOKENIZER.encode(text)
    assert len(spans) == len(ids)
    assert (spans[0][0], spans[-1][1]) == (0, len(text)) if text else not spans
    for (_, end), (start, _) in pairwise(spans):
        assert end - 1 <= start <= end  # side by side, or two tokens inside one character
    for token_id, (start, end) in zip(ids, spans, strict=True):
        token = TOKENIZER.vocabulary[token_id]
        assert token in text_to_bytes(text[start:end])
        if start + 1 < end:  # every character at the edges is touched
            assert token not in text_to_bytes(text[start + 1 : end])
            assert token not in text_to_bytes(text[start : end - 1])


def test_offsets_of_terms_and_special_tokens():
    tokenizer = bpe.Tokenizer([(b"i", b"n")], protected_terms=["Köln"])
    ids, spans = tokenizer.encode_with_offsets("in Köln<eos>!", allowed_special="all")
    assert spans == [(0, 2), (2, 3), (3, 7), (7, 12), (12, 13)]
    assert ids[-2] == 2


# Construction and keeping


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        ([(b"a", b"b"), (b"ab", b"cd")], r"merge 1, b'ab' \+ b'cd': b'cd' is neither one byte nor made by an earlier"),
        ([(b"ab", b"c"), (b"a", b"b")], "merge 0.*b'ab' is neither"),
        ([(b"a", b"b"), (b"a", b"b")], "merge 1.*merge 0 already makes b'ab'"),
        ([(b"a", b"b"), (b"b", b"c"), (b"ab", b"c"), (b"a", b"bc")], "merge 3.*merge 2 already makes b'abc'"),
        ([(b"", b"b")], "merge 0"),
        ([("a", "b")], "merge 0.*pair of byte strings"),
        ([b"ab"], "merge 0.*pair of byte strings"),
        ([7], "merge 0.*pair of byte strings"),
    ],
)
def test_wrong_merges_are_named(merges, message):
    with pytest.raises(bpe.TokenizerError, match=message):
        bpe.Tokenizer(merges)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"special_tokens": {"<a>": 0, "<b>": 0}}, "the same id"),
        ({"special_tokens": {"<a>": -1}}, "0 or more"),
        ({"special_tokens": {"\ud800": 1}}, "surrogate"),
        ({"protected_terms": ["\ud800"]}, "surrogate"),
        ({"token_ids": [1, 2]}, "2 ids for 256"),
        ({"token_ids": list(range(256))}, "id 0 is given to two tokens"),
        ({"token_ids": [7] * 256}, "id 7 is given to two tokens"),
        ({"pattern": "[", "special_tokens": ()}, "does not compile"),
        ({"pattern": None}, "must be a str"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(bpe.TokenizerError, match=message):
        bpe.Tokenizer([], **options)


TOKENIZERS = [
    TOKENIZER,
    bpe.Tokenizer([]),
    bpe.Tokenizer([(b"\xff", b" "), (b"\x00", b"\n")], pattern=r"(?s:.)", special_tokens=["<ünï>", '"\\']),
    bpe.Tokenizer([(b"a", b"b")], protected_terms=["x y", "Ü"], special_tokens={"<e>": 300}),
    bpe.Tokenizer([(b"a", b"b")], token_ids=[*range(1000, 1256), 5]),
]


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_reloaded_tokenizer_behaves_identically(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = bpe.Tokenizer.load(tmp_path / "tokenizer.json")
    for copy in (loaded, pickle.loads(pickle.dumps(tokenizer))):
        assert copy.merges == tokenizer.merges
        assert copy.vocabulary == tokenizer.vocabulary
        assert copy.special_tokens == tokenizer.special_tokens
        assert copy.protected_terms == tokenizer.protected_terms
        assert copy.pattern == tokenizer.pattern
        assert copy.digest == tokenizer.digest
        assert copy.encode(TEXT) == tokenizer.encode(TEXT)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.json", "tokenizer.json"]


def test_digests_tell_tokenizers_apart():
    assert len({tokenizer.digest for tokenizer in TOKENIZERS}) == len(TOKENIZERS)
    assert all(len(tokenizer.digest) == 64 for tokenizer in TOKENIZERS)


def test_files_that_are_no_tokenizer(tmp_path):
    path = tmp_path / "tokenizer.json"
    TOKENIZER.save(path)
    good = path.read_text(encoding="utf-8")

    def message_for(content):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(bpe.TokenizerError) as caught:
            bpe.Tokenizer.load(path)
        text = str(caught.value)
        assert str(path) in text
        assert "\n" not in text
        return text

    assert "not JSON" in message_for("")
    assert "line 3: not JSON" in message_for('{\n"format":\n oops}')
    assert "line 2: not UTF-8" in message_for(b'{\n"\xff"}')
    assert "not a JSON object" in message_for("[1, 2]")
    assert "nested too deeply" in message_for("[" * 100_000)
    assert "is not a bpe tokenizer" in message_for("{}")
    assert "read_huggingface" in message_for('{"model": {}}')
    assert "changed or damaged" in message_for(good.replace('"<pad>": 0', '"<pad>": 1'))
    assert "not JSON" in message_for(good[:-20])
    for name in ("pattern", "special_tokens", "protected_terms", "token_ids", "digest", "merges"):
        assert f"'{name}'" in message_for(good.replace(f'"{name}":', '"other":'))
    assert "'special_tokens'" in message_for(good.replace('"<pad>": 0', '"<pad>": true'))
    with pytest.raises(bpe.TokenizerError, match=r"cannot read .*: No such file"):
        bpe.Tokenizer.load(tmp_path / "absent.json")
    with pytest.raises(bpe.TokenizerError, match=r"cannot read .*: Is a directory"):
        bpe.Tokenizer.load(tmp_path)
    with pytest.raises(bpe.TokenizerError, match=r"cannot write .*: No such file"):
        TOKENIZER.save(tmp_path / "no" / "folder.json")


def test_a_file_with_merges_out_of_order_is_named_by_number(tmp_path):
    from bpe import storage

    definition = TOKENIZER._definition()
    path = tmp_path / "tokenizer.json"
    storage.save({**definition, "merges": definition["merges"][::-1]}, path)
    with pytest.raises(bpe.TokenizerError, match=r"tokenizer.json: merge 0, .* is neither one byte nor made by"):
        bpe.Tokenizer.load(path)
    storage.save({**definition, "merges": [*definition["merges"], definition["merges"][0]]}, path)
    with pytest.raises(bpe.TokenizerError, match=r"tokenizer.json: merge \d+, .* already makes"):
        bpe.Tokenizer.load(path)


@given(data=st.binary())
def test_spelling_of_bytes(data):
    assert unspell(spell(data)) == data
    assert len(spell(data)) == len(data)
    assert not any(character.isspace() for character in spell(data))


def test_spelling_rejects_other_characters():
    with pytest.raises(bpe.TokenizerError, match="' ' is not in the byte alphabet"):
        unspell("a b")
