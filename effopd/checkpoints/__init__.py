"""What can be read off any two checkpoints, and made of them: models of other trainers, in folders or on the hub.

    pair.py        two models, opened and matched: their names, shapes, dtypes, a tied head
    spectrum.py    what training did to every weight matrix
    align.py       how early the updates of a run point where they end
    compare.py     what differs between two models, tensor by tensor
    make.py        new models from old ones: extrapolated, rescaled
    text.py        all of it as tables for people
    commands.py    the commands of `effopd`

Weights are read tensor by tensor, in whatever dtype they are stored in, and computed with in float64.
"""
