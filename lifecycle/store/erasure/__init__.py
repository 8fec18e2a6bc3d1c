"""Erasing a person: what is selected, what is redacted."""
