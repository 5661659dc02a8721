"""The instances of tests/persistence, for migrations."""

from tests.persistence.conftest import clinic, postgresql, template, template_postgresql, url

__all__ = ["clinic", "postgresql", "template", "template_postgresql", "url"]
