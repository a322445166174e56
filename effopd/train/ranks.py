"""What the processes of one run tell each other."""

from __future__ import annotations

import torch
import torch.distributed as dist

from effopd.params.section import ParamsError


class Ranks:
    """This process among those that torch's process group connects, or alone where there is none.

    device: where numbers are put on their way. All ranks call every method, in the same order.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        connected = dist.is_available() and dist.is_initialized()
        self.rank, self.ranks = (dist.get_rank(), dist.get_world_size()) if connected else (0, 1)

    def share(self, count: int, uneven: bool = False) -> range:
        said = f"{count} row{'' if count == 1 else 's'}"
        if count < self.ranks:
            raise ParamsError(f"{said} cannot be shared by {self.ranks} ranks (engine.ranks): each needs one at least")
        if count % self.ranks and not uneven:
            raise ParamsError(f"{said} cannot be shared equally by {self.ranks} ranks (engine.ranks)")
        return range(self.rank * count // self.ranks, (self.rank + 1) * count // self.ranks)

    def sum(self, *values: float) -> tuple[float, ...]:
        if self.ranks == 1:
            return values
        totals = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(totals)
        return tuple(totals.tolist())

    def smallest(self, value: float) -> float:
        if self.ranks == 1:
            return value
        least = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(least, op=dist.ReduceOp.MIN)
        return least.item()

    def everywhere(self, holds: bool) -> bool:
        return self.smallest(float(holds)) == 1.0

    def wait(self) -> None:
        if self.ranks > 1:
            dist.barrier()
