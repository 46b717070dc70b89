"""Seeing inside: token labels, the story of a search, the picture, the page's data, the words in the terminal."""

import io
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeing_example import random_translator, seen

import numpy_transformer as nt
from numpy_transformer.decoding.attention_maps import AttentionMaps, token_groups, token_texts
from numpy_transformer.decoding.attention_weights import AttentionWeights
from numpy_transformer.decoding.recorder import BeamRecorder
from numpy_transformer.seeing.drawing import FORMATS, MOST_TOKENS, save_attention
from numpy_transformer.seeing.explain import explain
from numpy_transformer.seeing.page import page
from numpy_transformer.seeing.story import tell
from numpy_transformer.seeing.view import view
from numpy_transformer.translation.translator import Translator

HOSTILE = "the dog <b> </script> <!-- & $x$ ${text} 漢"


@pytest.fixture(scope="module")
def translator() -> Translator:
    return random_translator()


def test_a_character_cut_into_tokens_is_one_piece_of_its_word():
    tokens = [
        b"in",
        b" \xc3",
        b"\xbc",
        b"ber",
        " 日".encode()[:3],
        " 日".encode()[3:],
        "本".encode(),
        b" ",
        b"x",
        b"\xc3",
    ]
    assert token_texts(tokens) == ["in", " ", "ü", "ber", " ", "日", "本", " ", "x", "\ufffd"]
    maps = AttentionMaps(
        source=[*tokens[:-1], b"<eos>"], target=[b"<eos>"], weights=AttentionWeights(*np.zeros((3, 1, 1, 1, 1)))
    )
    shown = view("", "", maps, None)["attention"][0]["keys"]
    assert [token["text"] for token in shown] == ["in", "", "ü", "ber", "", "日", "本", "", "x", "<eos>"]
    assert [token["label"] for token in shown[:6]] == ["in", "␣<c3>", "<bc>", "ber", "␣<e6 97>", "<a5>"]


def test_the_pieces_of_a_word_are_one_group():
    tokens = [b"The", b" d", b"o", b"gs", b"'", b"t", b".", b" \xc3", b"\xbc", b"b", b"er", b"3", b"<eos>"]
    assert token_groups(tokens) == [0, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 5, 6]


def test_without_spaces_each_token_is_a_group():
    """But those that are parts of one character stay together."""
    tokens = ["日".encode()[:1], "日".encode()[1:], "本語".encode(), "を".encode(), b"<eos>"]
    assert token_groups(tokens) == [0, 0, 1, 2, 3]


# --- The story of a search ---


@given(
    seed=st.integers(0, 30),
    beam=st.integers(1, 4),
    alpha=st.sampled_from([0.0, 0.6, 2.0]),
    coverage=st.sampled_from([0.0, 0.5]),
    data=st.data(),
)
@settings(max_examples=30)
def test_the_story_ends_as_the_search_did(seed, beam, alpha, coverage, data):
    n_best = data.draw(st.integers(1, beam))
    found, _, story = seen(
        random_translator(seed), "the dog sees", beam=beam, alpha=alpha, coverage=coverage, n_best=n_best
    )
    finished = story.finished[: len(found)]
    assert [one.text for one in finished] == [one.text for one in found]
    np.testing.assert_allclose([one.score for one in finished], [one.score for one in found], atol=1e-9)
    for one in story.finished:
        assert one.score == pytest.approx(one.log_probability / one.penalty + one.coverage, abs=1e-9)
        assert coverage or one.coverage == 0
        assert story.chapters[one.step - 1].branches[one.place].text == one.text

    # The winner's way: one branch of each step up to its end, each the parent of the next, its totals adding up.
    ways = [[place for place, branch in enumerate(chapter.branches) if branch.wins] for chapter in story.chapters]
    end = story.finished[0].step
    assert [len(way) for way in ways] == [1] * end + [0] * (len(ways) - end)
    total = 0.0
    for number in range(end):
        branch = story.chapters[number].branches[ways[number][0]]
        assert number == 0 or branch.parent == ways[number - 1][0]
        total += branch.log_probability
        assert branch.total == pytest.approx(total, abs=1e-6)
        assert found[0].text.startswith(branch.text) or "\ufffd" in branch.text

    for chapter in story.chapters[:-1]:
        assert chapter.events[-1].startswith("The search goes on")
    assert "the search stops" in story.chapters[-1].events[-1].lower()


def test_rounding_is_no_coverage_penalty():
    translator, recorder = random_translator(), BeamRecorder()
    translator.hypotheses(["we see a house"], recorder=recorder)
    for steps in recorder.steps.values():
        for number, step in enumerate(steps):
            nudged = [one._replace(score=float(np.nextafter(one.score, -np.inf))) for one in step.candidates]
            steps[number] = step._replace(candidates=nudged)
    for one in tell(recorder, translator.tokenizer, alpha=0.6).finished:
        assert one.coverage == 0
        assert "coverage" not in one.arithmetic


def test_why_the_winner_won():
    """The final sentence says which case it was, with the right numbers."""
    cases = set()
    for seed in range(40):
        story = seen(random_translator(seed), "we see a house", alpha=2.0).story
        winner, most_probable = story.finished[0], max(story.finished, key=lambda one: one.log_probability)
        assert story.reason.startswith(winner.quoted)
        if len(story.finished) == 1:
            cases.add("only one")
            assert "only translation" in story.reason
        elif most_probable is winner:
            cases.add("most probable")
            assert "it is the most probable" in story.reason
            assert f"{story.finished[1].quoted}, has {story.finished[1].score:.3f}" in story.reason
        else:
            cases.add("penalty")
            assert f"{most_probable.quoted} is more probable" in story.reason
            assert winner.arithmetic in story.reason
            assert most_probable.arithmetic in story.reason
    assert {"most probable", "penalty"} <= cases


def test_whether_greedy_search_would_have_found_it():
    answers = set()
    for seed in range(40):
        translator = random_translator(seed)
        [best], _, story = seen(translator, "we see a house")
        [[greedy]] = translator.hypotheses(["we see a house"], beam=1)
        same = "Greedy search finds it as well" in story.reason
        assert same != ("Greedy search would have missed it" in story.reason)
        assert same == (greedy.ids == best.ids)
        answers.add(same)
    assert answers == {True, False}


@pytest.mark.parametrize(
    ("beam", "kept"), [(1, "the best of all continuations is kept"), (3, "the best 3 of all continuations are kept")]
)
def test_what_is_kept_is_said_in_singular_and_plural(translator, beam, kept):
    file = io.StringIO()
    explain(seen(translator, "the dog runs home", beam=beam).story, file)
    assert kept in file.getvalue()


def test_the_story_in_a_terminal(translator):
    found, _, story = seen(translator, "the dog runs home", n_best=2)
    file = io.StringIO()
    explain(story, file)
    lines = file.getvalue().split("\n")
    steps = [line for line in lines if line.startswith("step ")]
    assert len(steps) == len(story.chapters)
    assert steps[0] == "step 1, penalty 1.000"
    marked = [line for line in lines if line.startswith("*")]
    assert len(marked) == story.finished[0].step
    numbers = re.findall(r"-?\d+\.\d+", marked[-1])
    assert float(numbers[2]) == pytest.approx(found[0].score, abs=1e-3)
    assert marked[-1].endswith("[<eos>]")
    assert "\x1b" not in file.getvalue()  # no colours in a file
    assert lines[-2] == story.reason


# --- The page's data ---


def test_the_view_holds_all_weights(translator):
    text = HOSTILE
    found, maps, story = seen(translator, text)
    shown = view(text, found[0].text, maps, story)
    S, T = len(translator.tokenizer.encode(text)) + 1, len(found[0].ids) + 1
    cross, encoder, decoder = shown["attention"]
    for kind, weights, shape in (
        (cross, maps.weights.cross, (2, 2, T, S)),
        (encoder, maps.weights.encoder, (1, 2, S, S)),
        (decoder, maps.weights.decoder, (2, 2, T, T)),
    ):
        assert np.shape(kind["weights"]) == shape == (*shape[:2], len(kind["queries"]), len(kind["keys"]))
        np.testing.assert_allclose(np.array(kind["weights"]) / 1000, weights, atol=5.01e-4)
    assert [token["label"] for token in decoder["keys"]][:2] == ["<bos>", cross["queries"][0]["label"]]
    assert cross["keys"][-1]["label"] == cross["queries"][-1]["label"] == "<eos>"
    assert "".join(token["label"] for token in cross["keys"][:-1]).startswith("the␣dog␣<b>␣</script>")
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert view(text, "", maps, None)["search"] is None


def test_the_page_asks_for_nothing_and_keeps_its_data_to_itself(translator):
    found, maps, story = seen(translator, HOSTILE)
    written = page(view(HOSTILE, found[0].text, maps, story))
    assert not re.search(r"""(src|href|action)\s*=|@import|url\(|https?://(?!www\.w3\.org/2000/svg)""", written)
    assert "default-src 'none'" in written
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', written, re.DOTALL)
    assert json.loads(data) == view(HOSTILE, found[0].text, maps, story)
    assert written.count("</script>") == 2


# --- Files ---


def test_the_picture_shows_every_layer_and_head(translator, tmp_path, monkeypatch):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Axes, "imshow", lambda self, weights, **_: drawn.append(weights))
    titles = []
    monkeypatch.setattr(Figure, "suptitle", lambda self, title, **_: titles.append(title))
    maps = seen(translator, HOSTILE).maps
    save_attention(tmp_path / "map.png", text=HOSTILE, translation="Eine Übersetzung $x$", maps=maps)
    assert " ".join(titles[0].split()).startswith(f"{HOSTILE} → Eine Übersetzung $x$ Each row")
    expected = [
        head
        for kind in (maps.weights.cross, maps.weights.encoder, maps.weights.decoder)
        for head in kind.reshape(-1, *kind.shape[2:])
    ]
    assert len(drawn) == len(expected) == 4 + 2 + 4
    for one, other in zip(drawn, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    picture = (tmp_path / "map.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.endswith(b"IEND\xaeB`\x82")


@pytest.mark.parametrize("name", ["map.jpg", "map", "png"])
def test_other_formats_are_refused(translator, tmp_path, name):
    maps = translator.attention("the dog", [5])
    with pytest.raises(nt.InputError, match=r"drawn as .png or .html"):
        save_attention(tmp_path / name, text="the dog", translation="", maps=maps)
    assert not list(tmp_path.iterdir())
    assert FORMATS == (".png", ".html")


@pytest.mark.parametrize("name", ["map.png", "map.html"])
def test_a_sentence_that_is_too_long_to_be_drawn_is_refused(translator, tmp_path, name):
    maps = translator.attention("the dog", [5] * MOST_TOKENS)
    with pytest.raises(nt.InputError, match=f"attention between {MOST_TOKENS + 1} tokens cannot be drawn"):
        save_attention(tmp_path / name, text="the dog", translation="", maps=maps)
    assert not list(tmp_path.iterdir())
