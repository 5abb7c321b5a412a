"""Writes asimbot_plugins/data/trl_keys.json: the recipe keys of each stage that runs on TRL.

    python tools/make_trl_keys.py

Run it after an update of TRL. Left out are keys that the stages set themselves, that send
something elsewhere or run foreign code, and that have no meaning without a second model.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

OURS = {
    "output_dir", "do_train", "do_eval", "do_predict", "eval_strategy", "eval_steps",
    "eval_delay", "eval_on_start", "resume_from_checkpoint", "report_to", "run_name",
    "remove_unused_columns", "load_best_model_at_end", "metric_for_best_model",
    "greater_is_better", "disable_tqdm", "log_level", "log_level_replica", "use_cpu",
    "model_init_kwargs", "pad_token", "eos_token", "chat_template_path", "dataset_num_proc",
    "save_strategy", "logging_nan_inf_filter", "max_length", "truncation_mode",
    "logging_strategy", "overwrite_output_dir", "bf16_full_eval", "fp16_full_eval",
    "restore_callback_states_from_checkpoint",
}  # fmt: skip
NEVER = re.compile(
    r"hub|trust_remote|vllm|project|trackio|liger|_path$|^ref_|^sync_ref|^tools?_|log_completions"
    r"|completions_to_print|log_unique|log_multimodal|debug|ray_|tpu|mp_param|past_index"
)
PPO_READ = {
    "adam_beta1", "adam_beta2", "adam_epsilon", "cliprange", "cliprange_value", "deepspeed",
    "gamma", "gradient_accumulation_steps", "kl_coef", "lam", "learning_rate",
    "lr_scheduler_kwargs",
    "lr_scheduler_type", "max_grad_norm", "num_mini_batches", "num_ppo_epochs", "optim",
    "optim_args", "per_device_train_batch_size", "response_length", "save_steps",
    "save_total_limit", "seed", "temperature", "total_episodes", "vf_coef", "warmup_steps",
    "weight_decay", "whiten_rewards",
}  # fmt: skip
"""Our own PPO loop reads these; any other would be ignored in silence."""
DPO_BATCHES = {"padding_free", "pad_to_multiple_of", "prediction_loss_only"}
"""Batches of pairs are made by our code."""
GRPO_ROLLOUTS = {
    "generation_kwargs", "top_p", "top_k", "min_p", "repetition_penalty", "cache_implementation",
    "use_transformers_paged", "use_transformers_continuous_batching", "num_generations_eval",
    "transformers_continuous_batching_config", "chat_template_kwargs", "reward_weights",
    "max_tool_calling_iterations", "multi_objective_aggregation",
}  # fmt: skip
"""Replies are drawn by our code, by temperature alone, and there is one reward."""


def kind_of(annotation: object) -> str:
    """A plain name for the types that ``asimbot check`` looks at; "" for all others."""
    text = str(annotation).replace("<class '", "").replace("'>", "").replace("typing.", "")
    text = re.sub(r"Optional\[(.*)\]$", r"\1", text).replace(" | None", "").replace("None | ", "")
    text = re.sub(r"Union\[(.*), NoneType\]$", r"\1", text)
    return text if re.fullmatch(r"(list\[)?(float|int|bool|str)\]?|dict", text) else ""


def main() -> None:
    import trl
    from trl import DPOConfig, GRPOConfig, RewardConfig
    from trl.experimental.ppo import PPOConfig

    keys: dict[str, dict[str, str]] = {}
    for stage, config in {
        "reward": RewardConfig, "dpo": DPOConfig, "ppo": PPOConfig, "grpo": GRPOConfig,
    }.items():  # fmt: skip
        names = {
            field.name: kind_of(field.type)
            for field in dataclasses.fields(config)
            if field.init and field.name not in OURS and not NEVER.search(field.name)
        }
        if stage == "ppo":
            names = {name: kind for name, kind in names.items() if name in PPO_READ}
        if stage == "dpo":
            names = {name: kind for name, kind in names.items() if name not in DPO_BATCHES}
        if stage == "grpo":
            names = {name: kind for name, kind in names.items() if name not in GRPO_ROLLOUTS}
        names |= {"output_dir": "str", "bf16": "", "fp16": "bool"}
        keys[stage] = dict(sorted(names.items()))
    target = Path(__file__).parent.parent / "asimbot_plugins" / "data" / "trl_keys.json"
    text = json.dumps({"trl": trl.__version__, "keys": keys}, indent=1)
    target.write_text(text + "\n", encoding="utf-8")
    print({stage: len(names) for stage, names in keys.items()})


if __name__ == "__main__":
    main()
