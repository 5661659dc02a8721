"""Tests mirror the folders of the product; `pdf` and `verapdf` here are helpers for all of them."""
