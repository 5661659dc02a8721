"""Secure Base: worksheets, maps and homework plans for couples counsellors."""

__version__ = "0.1.0"
