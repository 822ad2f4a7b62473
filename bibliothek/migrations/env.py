"""Alembic's entry: runs on the connection and in the transaction that `migrate` hands over."""

from alembic import context

from bibliothek.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
