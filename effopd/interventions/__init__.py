"""Interventions on updates: each builds weights from W_base and ΔW = W − W_base, which are then evaluated (METHOD §5).

    scaling.py        α-scaling, magnitude rescaling
    selection.py      layer windows, embedding replacement
    truncation.py     leading or trailing singular components
    extrapolation.py  the final weights, predicted from the first checkpoints without validation (METHOD §3)
    weights.py        what they share: the checks, and W_base + s·ΔW

Every function takes whole models as mappings of parameters by name and returns a new dict with the same names, in the
weights' dtype, sharing no storage with its inputs. Arithmetic is float64; an update taken whole or not at all
gives the trained or the base tensor bit for bit. Missing, mis-shaped, non-floating or non-finite parameters raise
ValueError with one line that names the parameter.

Tied embeddings: where a model lists `lm_head.weight` beside an equal embedding, both copies get the same arithmetic
and stay equal, norms count the matrix once, and embedding replacement replaces both. A saved file that lists the
embedding alone needs no care: the head follows when the file is loaded.
"""
