"""What the stages reward, DPO, PPO and GRPO share. The trainers are in ``stages``."""
