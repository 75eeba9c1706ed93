"""One pipeline starts a run of another."""

from typing import Any

from airflow.sdk.exceptions import DagRunTriggerException


def start(dag_id: str, run_id: str, conf: dict[str, Any]) -> DagRunTriggerException:
    """To be raised: Airflow starts the run, or skips the task if it exists. (`TriggerDagRunOperator` raises the same, but
    importing it costs each DAG parse a third of a second.)"""
    return DagRunTriggerException(
        trigger_dag_id=dag_id,
        dag_run_id=run_id,
        conf=conf,
        reset_dag_run=False,
        skip_when_already_exists=True,
        wait_for_completion=False,
        allowed_states=[],
        failed_states=[],
        poke_interval=60,
        deferrable=False,
    )


def start_now(dag_id: str, run_id: str, conf: dict[str, Any]) -> bool:
    """Starts a run from within a task, as many as it likes; False where one of that id exists. Raises AirflowRuntimeError where
    Airflow refuses, as for a DAG that is not there."""
    from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    try:
        answer = SUPERVISOR_COMMS.send(TriggerDagRun(dag_id=dag_id, run_id=run_id, conf=conf))
    except AirflowRuntimeError as error:
        answer = error.error
    if isinstance(answer, ErrorResponse):
        if answer.error == ErrorType.DAGRUN_ALREADY_EXISTS:
            return False
        raise AirflowRuntimeError(answer)
    return True
