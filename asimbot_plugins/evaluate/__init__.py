"""Does the clone sound like the friend, and does it give anything away?

Every metric is a pure function of replies; ``run.py`` puts them together. What each one
means and where it comes from: docs/evaluation.md.
"""
