"""Entry point of Alembic: one online upgrade, whose version table is in `copilot_ops`."""

import sqlalchemy
from alembic import context

from copilot_pipeline.postgres.engines import configure_engine

engine = sqlalchemy.create_engine(context.config.attributes["url"], poolclass=sqlalchemy.NullPool)
configure_engine(engine)
with engine.begin() as connection:
    # Not forever: a session that only reads a table, such as one of psql, may keep its lock for days.
    timeout = context.config.attributes["lock_timeout"]
    connection.execute(sqlalchemy.text("SELECT set_config('lock_timeout', :timeout, true)"), {"timeout": timeout})
    connection.execute(sqlalchemy.text("CREATE SCHEMA IF NOT EXISTS copilot_ops"))
    context.configure(connection=connection, version_table_schema="copilot_ops", transactional_ddl=True)
    context.run_migrations()
