"""`asimbot generate --prompts` with a real (tiny, random) model, and a real kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster_tiny import write_recipe
from tiny import ROOT

from asimbot_plugins.cli import main
from asimbot_plugins.generation.batch import Job
from asimbot_plugins.recipe import load_recipe
from asimbot_plugins.sft.vocabulary import prepare


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, tiny_gemma: Path) -> Path:
    """A recipe whose clone is the prepared base itself, as a merged model."""
    folder = tmp_path_factory.mktemp("generate")
    path = write_recipe(folder, tiny_gemma)
    shutil.copytree(prepare(load_recipe(path)), folder / "out" / "merged")
    rows = [{"prompt": f"<USR_A> {'bread ' * (i % 5)}{i} <SYS>", "id": i} for i in range(11)]
    (folder / "prompts.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def generate(recipe: Path, out: str, *more: str) -> str:
    folder = recipe.parent
    arguments = ["--prompts", str(folder / "prompts.jsonl"), "--out", str(folder / out)]
    tokens = ["--set", "asimbot.sampling.max_new_tokens=6"]
    assert main(["generate", str(recipe), *arguments, *tokens, "--batch-size", "3", *more]) == 0
    file = folder / out
    return file.read_text("utf-8") if file.exists() else ""


@pytest.mark.slow
def test_two_shards_write_what_one_process_writes(recipe: Path) -> None:
    alone = generate(recipe, "alone.jsonl", "-n", "2")
    assert generate(recipe, "shared.jsonl", "-n", "2", "--shard", "1/2") == ""
    assert generate(recipe, "shared.jsonl", "-n", "2", "--shard", "0/2") == alone
    rows = [json.loads(line) for line in alone.splitlines()]
    assert [row["id"] for row in rows] == list(range(11))
    assert all(len(row["replies"]) == 2 for row in rows)
    assert len({json.dumps(row["replies"]) for row in rows}) > 5
    assert generate(recipe, "other.jsonl", "-n", "2", "--seed", "8") != alone


@pytest.mark.slow
def test_a_result_that_is_there_is_not_drawn_again(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = generate(recipe, "again.jsonl")
    monkeypatch.setattr(
        "asimbot_plugins.generation.sampler.load_clone", lambda *_: pytest.fail("loaded")
    )
    assert generate(recipe, "again.jsonl") == first


def test_after_kill_9_the_result_is_the_same(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from asimbot_plugins.generation.batch import Job\n"
        "rows = [{'prompt': f'prompt {i}'} for i in range(60)]\n"
        "def draw(prompts, seed):\n"
        "    time.sleep(float(sys.argv[2]))\n"
        "    return [[[f'{p} {seed}']] for p in prompts]\n"
        "job = Job(rows, Path(sys.argv[1]), settings={}, seed=1, batch_size=2)\n"
        "job.draw(draw)\n"
        "job.finish()\n"
    )

    def start(out: Path, pause: float) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code, str(out), str(pause)], cwd=ROOT)

    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    assert start(whole, 0).wait(60) == 0
    process = start(killed, 0.05)
    end = time.monotonic() + 60
    while len(list(tmp_path.glob("killed.jsonl.parts/*/*.jsonl"))) < 4:
        assert time.monotonic() < end
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    rows = [{"prompt": f"prompt {i}"} for i in range(60)]
    left = Job(rows, killed, settings={}, seed=1, batch_size=2).missing()
    assert not killed.exists() and 0 < len(left) <= 26
    assert start(killed, 0).wait(60) == 0
    assert killed.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either --message"),
        (["--prompts", "a.jsonl"], "--prompts and --out go together"),
        (
            ["--prompts", "a.jsonl", "--out", "b.jsonl", "--shard", "2/2"],
            "shard 2/2 does not exist",
        ),
        (["--prompts", "no.jsonl", "--out", "b.jsonl"], "can't read the prompts no.jsonl"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], said: str, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", str(recipe), *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_vllm_gets_a_merged_model_ids_and_seeds(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in with vLLM's interface (0.8 to 0.11, as documented); the real one needs a GPU."""
    (tmp_path / "vllm.py").write_text(
        "from types import SimpleNamespace\n"
        "class SamplingParams(SimpleNamespace):\n"
        "    pass\n"
        "class LLM:\n"
        "    def __init__(self, model, trust_remote_code):\n"
        "        assert trust_remote_code is False\n"
        "        self.model = model\n"
        "    def generate(self, inputs, parameters, use_tqdm):\n"
        "        out = []\n"
        "        for one, p in zip(inputs, parameters, strict=True):\n"
        "            assert p.max_tokens == 64 and p.stop_token_ids\n"
        "            ids = one['prompt_token_ids'][1:3] + p.stop_token_ids[:1] + [7]\n"
        "            made = SimpleNamespace(token_ids=tuple(ids))\n"
        "            out.append(SimpleNamespace(outputs=[made] * p.n, seed=p.seed))\n"
        "        return out\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    from asimbot_plugins.generation.vllm_backend import VllmClone
    from asimbot_plugins.host import load_host

    clone = VllmClone(load_recipe(recipe), load_host())
    assert clone.engine.model == str(recipe.parent / "out" / "merged")
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
    # The stand-in gives back the prompt's second and third token, then a stop and rubbish.
    replies = clone.replies(["<USR_A> bread <SYS>"], 2, seed=3)
    assert len(replies) == 1 and len(replies[0]) == 2
    assert replies[0][0] == replies[0][1]
    tokens = clone.clone.tokenizer("<USR_A> bread <SYS>")["input_ids"]
    assert "bread".startswith("".join(replies[0][0]).strip()[:2]) and len(tokens) > 3
