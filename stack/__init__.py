"""Everything on one machine: PostgreSQL, the lab and Airflow, started, watched and stopped together."""
