"""Offset arithmetic, buffer policy, double-entry ledger, funds and payment orders."""
