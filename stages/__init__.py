"""One short entrypoint per DVC stage: read params and inputs, call the library, write outputs."""

import gc
import os

# Set before torch is imported: worker threads that sleep rather than spin leave the cores to stages that run beside
# this one. A hub is asked for nothing but a dataset or model that params.yaml names there.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")

# Importing torch and transformers makes a million objects that stay: looking for garbage among them takes a second.
# `harness.run` switches it on again.
gc.disable()
