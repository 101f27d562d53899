"""Kestra's names for the tasks that the flows are made of."""

LABELS = "io.kestra.plugin.core.execution.Labels"
COMMANDS = "io.kestra.plugin.scripts.shell.Commands"
IF = "io.kestra.plugin.core.flow.If"
QUERIES = "io.kestra.plugin.jdbc.postgresql.Queries"
COPY_IN = "io.kestra.plugin.jdbc.postgresql.CopyIn"
PURGE_FILES = "io.kestra.plugin.core.storage.PurgeCurrentExecutionFiles"
SCHEDULE = "io.kestra.plugin.core.trigger.Schedule"
