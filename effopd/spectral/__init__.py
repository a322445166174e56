"""What training did to the weights, seen through the singular values of ΔW = W − W_base (METHOD §4).

    modules.py        which parameters of a decoder are attention and MLP matrices, embeddings, a tied head
    updates.py        ΔW of one parameter, with the checks every user of an update needs
    decomposition.py  float64 singular values, leading singular vectors, low-rank part
    metrics.py        spectral norm, effective rank, top-1 % norm ratio, update norms, embedding cosine
    alignment.py      cosines of singular vectors, principal angles, explained variance of the path of u_1
    analysis.py       the above over a whole model, and over the checkpoints of a run

Import from the modules; interventions need `modules`, `updates` and `decomposition` only.
"""
