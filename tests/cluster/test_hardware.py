"""The memory estimate: parameters to the last one, parts by hand, verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest
from cluster_tiny import DEEPSPEED, write_recipe

from asimbot_plugins.cli import main
from asimbot_plugins.cluster.hardware import GIB, Estimate, estimate
from asimbot_plugins.recipe import Recipe, load_recipe

# The tiny Gemma: 600 tokens and eleven new ones, hidden 64, 2 layers, 4 heads of 16, one for keys.
LAYER = 64 * 64 + 2 * (64 * 16) + 64 * 64 + 3 * (64 * 128) + 2 * 64
BASE = 611 * 64 + 2 * LAYER + 64
# Rank 4 on q_proj (64 → 64) and v_proj (64 → 16), and eleven token rows.
TRAINABLE = 2 * (4 * (64 + 64) + 4 * (64 + 16)) + 11 * 64


@pytest.fixture
def recipe_path(tmp_path: Path, tiny_gemma: Path) -> Path:
    return write_recipe(tmp_path, tiny_gemma)


def of(recipe_path: Path, *overrides: str, gpus: int = 1, on_gpu: bool = False) -> Estimate:
    recipe: Recipe = load_recipe(recipe_path, overrides)
    return estimate(recipe, gpus=gpus, on_gpu=on_gpu)


def test_parameters_are_counted_exactly(recipe_path: Path) -> None:
    found = of(recipe_path)
    assert (found.parameters, found.trainable) == (BASE, TRAINABLE)
    assert found.weights == 4 * (BASE + TRAINABLE)  # bf16: false
    assert found.gradients == 4 * TRAINABLE
    assert found.optimizer == 8 * TRAINABLE  # two moments of AdamW


def test_half_precision_halves_the_base_and_not_the_adapter(recipe_path: Path) -> None:
    found = of(recipe_path, "bf16=true")
    assert found.weights == 2 * BASE + 4 * TRAINABLE
    assert found.optimizer == 8 * TRAINABLE


def test_four_bits_shrink_the_linear_layers_alone(recipe_path: Path) -> None:
    linear = 2 * (LAYER - 2 * 64)
    found = of(recipe_path, "bf16=true", "adapter=qlora", "load_in_4bit=true", on_gpu=True)
    largest = 64 * 128  # one matrix is restored for its product
    expected = linear * 0.5081 + 2 * (BASE - linear) + 4 * TRAINABLE + 2 * largest
    assert found.weights == pytest.approx(expected, rel=1e-3)


def test_a_full_fine_tune_trains_everything(recipe_path: Path) -> None:
    found = of(recipe_path, "adapter=null")
    assert found.parameters == found.trainable == BASE and found.optimizer == 8 * BASE


@pytest.mark.parametrize(
    ("name", "weights", "gradients", "optimizer"),
    [
        ("zero2", 1, 4, 4),
        ("zero3", 4, 4, 4),
        ("zero2_offload", 1, 4, 0),
        ("zero3_offload", 0, 4, 0),
    ],
)
def test_zero_divides_what_it_splits(
    name: str, weights: int, gradients: int, optimizer: int, recipe_path: Path
) -> None:
    """Divisors for four GPUs; 0: nothing of it stays on the GPU."""
    found = of(recipe_path, f"deepspeed={DEEPSPEED / name}.json", gpus=4)
    gathered = 4 * 2 * (LAYER + TRAINABLE // 2 - 11 * 32) if "zero3" in name else 0
    whole = 4 * (BASE + TRAINABLE)
    assert found.weights == pytest.approx((whole / weights if weights else 0) + gathered)
    assert found.gradients == TRAINABLE * 4 / gradients
    assert found.optimizer == (TRAINABLE * 8 / optimizer if optimizer else 0)


def test_activations_grow_with_the_rows_and_shrink_with_checkpoints(recipe_path: Path) -> None:
    plain = of(recipe_path)
    # Linear in the rows, but for the mask of packed rows, as booleans.
    second_difference = plain.activations(3) - 2 * plain.activations(2) + plain.activations(1)
    assert second_difference == pytest.approx(2 * 128**2)
    # Without an adapter both layers keep it again, as float32.
    full = of(recipe_path, "adapter=null")
    second_difference = full.activations(3) - 2 * full.activations(2) + full.activations(1)
    assert second_difference == pytest.approx(2 * 128**2 * (1 + 2 * 4))
    # Of very many rows the making of the mask is the most: three of them at a time.
    assert plain.activations(512) == 3 * (512 * 128) ** 2
    assert plain.activations(8) > 1.9 * plain.activations(4)
    assert of(recipe_path, "gradient_checkpointing=true").activations(8) < plain.activations(8)
    assert of(recipe_path, "sequence_len=256").activations(4) == pytest.approx(
        plain.activations(8), rel=0.05
    )


def test_the_largest_batch_fits_and_the_next_does_not(recipe_path: Path) -> None:
    found = of(recipe_path, on_gpu=True)
    for memory in (found.total(1), 1.0 * GIB, 3.3 * GIB):
        largest = found.largest(memory)
        assert found.total(largest) <= memory < found.total(largest + 1)
    assert found.largest(found.total(1) - 1) == 0


def test_the_command_says_fits_or_does_not(
    recipe_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(recipe_path), "--hardware", "--gpu-memory", "24"]) == 0
    said = capsys.readouterr().out
    assert f"{BASE:,}  parameters, {TRAINABLE:,} trainable" in said
    assert "fits into a GPU of 24 GiB" in said and "largest micro_batch_size" in said
    assert main(["check", str(recipe_path), "--hardware", "--gpu-memory", "0.5"]) == 2
    assert "does not fit into a GPU of 0.5 GiB" in capsys.readouterr().out


def test_only_sft_recipes_are_estimated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DEEPSPEED.parent.parent)
    recipe = str(DEEPSPEED.parent / "asim_dpo.yml")
    assert main(["check", recipe, "--hardware", "--gpu-memory", "24"]) == 2
    assert "the estimate knows SFT recipes" in capsys.readouterr().err
