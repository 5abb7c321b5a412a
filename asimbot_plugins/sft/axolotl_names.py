"""Names shared with the training process, without importing Axolotl."""

PROGRESS_FILE = "ASIMBOT_PROGRESS"
"""Environment variable naming the file that ``asimbot train`` watches; one JSON a line."""
