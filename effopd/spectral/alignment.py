"""How early an update points where it will end: singular vectors of ΔW_t against those of ΔW_final (METHOD §4).

The vectors are u, the left ones (output side of a projection), in the paper; every function here takes the columns of
either side, and the analysis reports both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_SAME_DIRECTION = 1e-20  # variance of unit vectors below which a path stands still: rounding, not movement


@dataclass(frozen=True)
class SubspaceAlignment:
    """Agreement of two sets of leading singular vectors, one side of one matrix.

    k: how many were compared; less than asked for when an update has a lower rank. 0: an update is zero, nothing else
        is defined then.
    top_k_cosine: mean over j ≤ k of |cos(u_j, u'_j)|. Falls when two near-equal singular values swap places.
    principal_angle: mean cosine of the principal angles of the two subspaces, 1 for the same subspace; blind to swaps.
    principal_angle_radians: mean of these angles, 0 for the same subspace, π/2 for orthogonal ones.
    """

    k: int
    top_k_cosine: float | None
    principal_angle: float | None
    principal_angle_radians: float | None


def align(vectors_MK: Tensor, final_vectors_MK: Tensor) -> SubspaceAlignment:
    """Compare the leading singular vectors of two updates of one matrix.

    Both arguments hold orthonormal columns, strongest first (`Decomposition.left` or `.right`); where one has fewer,
    as many leading ones of the other are used. Raises ValueError when the vectors live in different spaces.
    """
    if vectors_MK.shape[0] != final_vectors_MK.shape[0]:
        raise ValueError(f"singular vectors of length {len(vectors_MK)} and {len(final_vectors_MK)} cannot be compared")
    k = min(vectors_MK.shape[1], final_vectors_MK.shape[1])
    if k == 0:
        return SubspaceAlignment(0, None, None, None)
    vectors_MK, final_vectors_MK = vectors_MK[:, :k], final_vectors_MK[:, :k]
    cosines_K = (vectors_MK * final_vectors_MK).sum(dim=0).abs().clamp_max(1)
    angles_K = principal_angles(vectors_MK, final_vectors_MK)
    return SubspaceAlignment(k, float(cosines_K.mean()), float(angles_K.cos().mean()), float(angles_K.mean()))


def principal_angles(first_MK: Tensor, second_MK: Tensor) -> Tensor:
    """The K principal angles, ascending, in radians, between the spans of two sets of K orthonormal columns.

    arccos of the singular values of AᵀB loses angles below √ε. Their sines are the singular values of B − AAᵀB, which
    are accurate there, and the two together give every angle (Björck & Golub 1973).
    """
    inner_KK = first_MK.T @ second_MK
    cosines_K = torch.linalg.svdvals(inner_KK)
    sines_K = torch.linalg.svdvals(second_MK - first_MK @ inner_KK)
    return torch.atan2(sines_K.flip(0), cosines_K)


def path_explained_variance(directions: Sequence[Tensor]) -> float | None:
    """EVR_{0:2}: the share of the variance of a path of unit vectors that its first two principal components hold.

    directions: u_1 (or v_1), each (M,), one for each checkpoint in order. A singular vector's sign is arbitrary, so
    each is first turned towards its predecessor; without this a steady direction would look like two far clusters.
    Fewer than four vectors always lie in a plane after centring, which would say 1.0 for any training: None. A path
    that stands still has no variance left to explain: 1.0.
    """
    if len(directions) < 4:
        return None
    turned = [directions[0]]
    for direction in directions[1:]:
        turned.append(-direction if float(direction @ turned[-1]) < 0 else direction)
    path_TM = torch.stack(turned)
    variances_T = torch.linalg.svdvals(path_TM - path_TM.mean(dim=0)).square()
    total = variances_T.sum()
    if float(total) <= _SAME_DIRECTION * len(directions):
        return 1.0
    return float(variances_T[:2].sum() / total)
