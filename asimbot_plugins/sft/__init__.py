"""What supervised fine-tuning needs around Axolotl: mask, collator, new tokens, merge."""
