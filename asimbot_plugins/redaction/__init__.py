"""Redaction: personal data and names leave the chat before anything is written."""
