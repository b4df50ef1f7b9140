"""What can go wrong with the local stack.

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
    """The local stack cannot do what was asked."""


class AlreadyRunningError(StackError):
    """A stack is already using this data directory."""


class NotRunningError(StackError):
    """No stack was ever started in this data directory."""


class PortInUseError(StackError):
    """Another program listens on the port."""


class ServerNotFoundError(StackError):
    """No usable PostgreSQL server is installed."""


class NodeNotFoundError(StackError):
    """Node.js or the npm packages of the project are missing."""


class ProjectNotFoundError(StackError):
    """The directory holds no supabase/config.toml."""


class MigrationsFailedError(StackError):
    """The Supabase CLI could not apply the migrations."""


class MigrationsChangedError(StackError):
    """The data directory was made by other migrations than those of the project."""


class PartFailedError(StackError):
    """A part of the stack ended, or did not become ready."""
