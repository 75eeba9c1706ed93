"""The fixture `everything` is shared with tests/browser: see tests/stack_fixtures.py."""

from tests.stack_fixtures import Everything, now, running, stack

__all__ = ["Everything", "now", "running", "stack"]
