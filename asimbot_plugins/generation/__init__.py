"""Replies from a trained clone: sampling, stopping, conversations, whole files."""
