"""Texts: tokenizers, sequences of tokens, and what a user brings."""
