"""Extrapolation along the direction of training, at the triggers of a training loop. Four questions, a module each:

what to try (`line`), how to score it (`scores`), what to decide (`search`), what to do with the learning rate (`rate`).
`effopd` asks them in this order. The published EffOPD is one answer to each, the rate-free one another.
"""
