"""Three assets that do nothing, shaped like a taxi's: what Dagster itself costs.

`python -m benchmarks.empty N` runs them for N months in one process, as `taxi-assets backfill` does with real ones.
"""

import sys

from dagster import (
    AssetExecutionContext,
    DagsterInstance,
    Definitions,
    MonthlyPartitionsDefinition,
    asset,
    define_asset_job,
    in_process_executor,
)

_PARTITIONS = MonthlyPartitionsDefinition(start_date="2019-01", end_date="2021-08", fmt="%Y-%m")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@asset(partitions_def=_PARTITIONS)
def raw_csv(context: AssetExecutionContext) -> None:
    """Nothing."""


@asset(partitions_def=_PARTITIONS, deps=[raw_csv])
def staging(context: AssetExecutionContext) -> None:
    """Nothing."""


@asset(partitions_def=_PARTITIONS, deps=[staging])
def trips(context: AssetExecutionContext) -> None:
    """Nothing."""


defs = Definitions(
    assets=[raw_csv, staging, trips],
    jobs=[define_asset_job("empty", executor_def=in_process_executor)],
    executor=in_process_executor,
)


def run_months(count: int) -> None:
    """Run the job for so many months, one after another."""
    job = defs.resolve_job_def("empty")
    with DagsterInstance.get() as instance:
        for key in _PARTITIONS.get_partition_keys()[:count]:
            job.execute_in_process(partition_key=key, instance=instance, run_config=_QUIET)


if __name__ == "__main__":
    run_months(int(sys.argv[1]))
