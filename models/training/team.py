"""Several processes of one thread each that train one network together.

Better than one process of several threads where cores are shared with other work: the members meet
twice per step and not in every operation. The weights lie in memory that all of them map; each
member has its own gradients there, and moves its own part of the parameters for all.
"""

import ctypes

import torch
from torch import Tensor, multiprocessing, nn

FIGURES = 8


class Team:
    """What the members share; made by the first process and handed to all.

    A member calls `join` once, then for each step: backward, `gather`, its optimizers, `release`.
    """

    def __init__(self, size: int, model: nn.Module) -> None:
        context = multiprocessing.get_context("spawn")
        self.size = size
        self.rank = 0
        self.model = model.share_memory()
        self._barrier = context.Barrier(size)
        self._stop = context.Value(ctypes.c_bool, False)
        count = sum(parameter.numel() for parameter in model.parameters())
        self._gradients = torch.zeros(size, count).share_memory_()
        self._figures = torch.zeros(size, FIGURES, dtype=torch.float64).share_memory_()
        self._own: list[tuple[int, int]] = []  # where this member's parameters lie

    def join(self, rank: int) -> list[nn.Parameter]:
        """Returns the parameters that this member moves."""
        self.rank = rank
        members = assigned(list(self.model.parameters()), self.size)
        own = []
        at = 0
        for parameter, member in zip(self.model.parameters(), members, strict=True):
            end = at + parameter.numel()
            parameter.grad = self._gradients[rank, at:end].view_as(parameter)
            if member == rank:
                own.append(parameter)
                self._own.append((at, end))
            at = end
        return own

    def stop(self) -> None:
        """Makes `gather` say so to everyone, from the next step on."""
        self._stop.value = True

    def gather(self, figures: list[float]) -> tuple[list[float], bool]:
        """Averages own parameters' gradients, and `figures`, over the members; says whether to stop."""
        self._figures[self.rank, :len(figures)] = torch.tensor(figures, dtype=torch.float64)
        self._barrier.wait()
        for at, end in self._own:
            self._gradients[self.rank, at:end] = self._gradients[:, at:end].mean(0)
        return self._figures[:, :len(figures)].mean(0).tolist(), self._stop.value

    def release(self) -> None:
        """After it all members see the new weights, and gradients are zero."""
        self._barrier.wait()
        self._gradients[self.rank].zero_()


def assigned(parameters: list[Tensor], members: int) -> list[int]:
    """The member of each parameter, so that moving them costs all about the same."""

    def cost(parameter: Tensor) -> int:
        return parameter.numel() * (min(parameter.shape[-2:]) if parameter.ndim > 1 else 1)

    load = [0] * members
    result = [0] * len(parameters)
    for i in sorted(range(len(parameters)), key=lambda i: -cost(parameters[i])):
        result[i] = load.index(min(load))
        load[result[i]] += cost(parameters[i])
    return result
