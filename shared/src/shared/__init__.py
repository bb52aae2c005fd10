"""Vocabulary and plumbing that the three services share; holds no business rule and imports no service."""
