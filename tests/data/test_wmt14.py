"""--data wmt14: the archives' files wherever they were unpacked, both languages, and one line for what is missing."""

import gzip
from pathlib import Path

import pytest

from numpy_transformer.data.corpora import files_of, load_corpus
from numpy_transformer.data.multi30k import DATA_VARIABLE
from numpy_transformer.data.sgm import read_segments
from numpy_transformer.data.wmt14 import TEST, TRAINING, VALIDATION
from numpy_transformer.errors import InputError

SGM = '<refset setid="newstest2014" srclang="any" trglang="{0}">\n<doc sysid="ref" docid="1">\n{1}</doc>\n</refset>\n'


def sgm(path: Path, language: str, *sentences: str) -> None:
    segments = "".join(f'<seg id="{number}">{text}</seg>\n' for number, text in enumerate(sentences, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SGM.format(language, segments), encoding="utf-8")


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """The German files, as tar unpacks them; one of them compressed since."""
    folders = {
        "training/europarl-v7.de-en": ["Resumption", "Please rise"],
        "commoncrawl.de-en": ["", "A web page"],
        "training/news-commentary-v9.de-en": ["Some news"],
        "dev/newstest2013": ["A republic"],
    }
    for name, sentences in folders.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        for language in ("en", "de"):
            text = "".join(f"{language} {sentence}\n" if sentence else "\n" for sentence in sentences)
            Path(f"{path}.{language}").write_text(text, encoding="utf-8")
    news = tmp_path / "training" / "news-commentary-v9.de-en.de"
    news.with_name(news.name + ".gz").write_bytes(gzip.compress(news.read_bytes()))
    news.unlink()
    sgm(tmp_path / "test-full" / "newstest2014-deen-src.en.sgm", "en", "Q&amp;A", "Two")
    sgm(tmp_path / "test-full" / "newstest2014-deen-ref.de.sgm", "de", "Fragen &amp; Antworten", "Zwei\n lange ")
    return tmp_path


def test_the_german_corpus(archives):
    corpus = load_corpus("wmt14", data_directory=archives)
    assert corpus.train.sources == ["en Resumption", "en Please rise", "en A web page", "en Some news"]
    assert corpus.train.targets[3] == "de Some news"
    assert (corpus.valid.sources, corpus.valid.targets) == (["en A republic"], ["de A republic"])
    assert (corpus.test.sources, corpus.test.targets) == (["Q&A", "Two"], ["Fragen & Antworten", "Zwei lange"])
    assert corpus.notes == (f"{archives / 'commoncrawl.de-en'}: 1 of 2 pairs dropped because a side is blank",)


def test_the_other_direction_needs_its_own_test_set(archives):
    with pytest.raises(InputError, match=r"lacks newstest2014\.de or newstest2014\.en of wmt14"):
        load_corpus("wmt14", source="de", target="en", data_directory=archives)
    sgm(archives / "newstest2014-deen-src.de.sgm", "de", "Fragen", "Zwei")
    sgm(archives / "newstest2014-deen-ref.en.sgm", "en", "Questions", "Two")
    corpus = load_corpus("wmt14", source="de", target="en", data_directory=archives)
    assert corpus.train.sources[0] == "de Resumption"
    assert corpus.test.targets == ["Questions", "Two"]


def test_a_folder_called_wmt14_in_the_data_folder(archives, tmp_path_factory, monkeypatch):
    top = tmp_path_factory.mktemp("data")
    (top / "wmt14").symlink_to(archives)
    monkeypatch.setenv(DATA_VARIABLE, str(top))
    assert len(load_corpus("wmt14").train) == 4


def test_the_page_lists_the_files():
    page = (Path(__file__).resolve().parents[2] / "docs" / "large_corpora.md").read_text(encoding="utf-8")
    named = [*TRAINING["de"], VALIDATION, f"{TEST}-deen-src", "undoc.2000.fr-en", "giga-fren.release2.fixed"]
    assert [name for name in named if name not in page] == []


def test_what_is_missing_is_told(archives, tmp_path):
    with pytest.raises(InputError, match=r"europarl-v7\.fr-en\.en or europarl-v7\.fr-en\.fr of wmt14"):
        files_of("wmt14", source="en", target="fr", data_directory=archives)
    with pytest.raises(InputError, match="English with German or French"):
        files_of("wmt14", source="en", target="cs", data_directory=archives)
    with pytest.raises(InputError, match=r"unpack them into one folder, and name that with --data-dir"):
        files_of("wmt14", source="en", target="de")
    with pytest.raises(InputError, match=r"--validation mine\.tsv: only goes with"):
        files_of("wmt14", source="en", target="de", data_directory=archives, validation="mine.tsv")
    sgm(archives / "test-full" / "newstest2014-deen-ref.de.sgm", "de", "Nur eins")
    with pytest.raises(InputError, match=r"has 2 lines but .* has 1"):
        load_corpus("wmt14", data_directory=archives)
    (tmp_path / "none.sgm").write_text("<html>not found</html>", encoding="utf-8")
    with pytest.raises(InputError, match="holds no <seg>"):
        read_segments(tmp_path / "none.sgm")
