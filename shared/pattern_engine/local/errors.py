"""The errors of the local stack.

StackError
├── AlreadyRunningError
├── NotRunningError
├── PortInUseError
├── ServerNotFoundError
├── NodeNotFoundError
├── ProjectNotFoundError
├── MigrationsFailedError
├── MigrationsChangedError
└── PartFailedError
"""


class StackError(Exception):
    """A command of the local stack failed."""

    exit_code = 1


class AlreadyRunningError(StackError):
    """A stack is already running in this data directory."""


class NotRunningError(StackError):
    """No stack was ever started in this data directory."""


class PortInUseError(StackError):
    """Another program listens on the port."""


class ServerNotFoundError(StackError):
    """No usable PostgreSQL server is installed."""


class NodeNotFoundError(StackError):
    """Node.js or the npm packages of the project are missing."""


class ProjectNotFoundError(StackError):
    """No supabase/config.toml was found."""


class MigrationsFailedError(StackError):
    """The Supabase CLI could not apply the migrations."""


class MigrationsChangedError(StackError):
    """A migration that was applied to the data directory has changed since."""


class PartFailedError(StackError):
    """A process of the stack ended, or did not become ready."""
