"""The use case of each DAG, callable without Airflow: a run, the store and clients in, small plain JSON out."""
