"""Reproducible on-policy distillation: training, extrapolation (EffOPD) and the spectral analysis of weight updates.

The library knows neither DVC nor Prefect and can be used by itself. Its rooms, bottom up:

    errors, files, params         atomic writes, hashing; the schema of params.yaml
    tasks, models                 prompts and verifiers; Hugging Face models in float32
    rollout, losses               sampling with log-probabilities; tensors in, scalar out
    trajectory, train             checkpoints and resume; the training loops
    extrapolation                 EffOPD, called by a training loop at its triggers
    evaluation, spectral, interventions, report
"""
