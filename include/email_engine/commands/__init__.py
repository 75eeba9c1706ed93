"""One module for each subcommand of `email-engine`: the outermost layer, it may use all but Airflow."""
