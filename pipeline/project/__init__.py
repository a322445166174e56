"""What needs DVC: the DAG, the forecast, what a copy is given, locks. Runs in the environment that has DVC, where
Prefect is not needed: `python -m pipeline.project` answers what `pipeline.dvc_process` asks.
"""
