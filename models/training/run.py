"""One training run: the network, its optimizers, how far they are, and one step of learning."""

import dataclasses
import pathlib

import torch
from torch import Tensor
from torch.nn import functional as F

from batches import Batch
from chat_tokens import ChatTokens
from network.decoder import Decoder, balance_loss
from network.shape import Shape
from optimizers import make_optimizers, rate, set_rate
from team import Team


@dataclasses.dataclass(frozen=True)
class Plan:
    state: pathlib.Path
    minutes: float
    steps: int | None  # end at this step, should it come first
    tokens: int  # of a member's batch
    balance: float  # weight of the balance loss
    seed: int
    evaluate_every: float  # minutes

    @property
    def checkpoint(self) -> pathlib.Path:
        return self.state / "checkpoint.pt"


def start(vocabulary: int, plan: Plan) -> Decoder:
    """The network as it was saved, or a new one."""
    torch.manual_seed(plan.seed)
    model = Decoder(Shape(vocabulary=vocabulary))
    if plan.checkpoint.exists():
        model.load_state_dict(torch.load(plan.checkpoint, weights_only=True)["model"])
    return model


class Run:
    """One member's view of the run. `step`, `tokens` and `seconds` are the same for all."""

    def __init__(self, plan: Plan, team: Team, rank: int) -> None:
        self.plan = plan
        self.team = team
        self.model = team.model
        self.optimizers = make_optimizers(self.model, team.join(rank))
        self.step = 0
        self.tokens = 0.0
        self.seconds = 0.0
        if plan.checkpoint.exists():
            saved = torch.load(plan.checkpoint, weights_only=True)
            self.step, self.tokens, self.seconds = saved["step"], saved["tokens"], saved["seconds"]
        if self._moments.exists():
            self._load_moments()

    @property
    def _moments(self) -> pathlib.Path:
        return self.plan.state / f"optimizers-{self.team.rank}-of-{self.team.size}.pt"

    def _load_moments(self) -> None:
        saved = torch.load(self._moments, weights_only=True)
        for optimizer, state in zip(self.optimizers, saved, strict=True):
            # Rates are those of this program, not of the one that saved.
            peaks = [group["peak_lr"] for group in optimizer.param_groups]
            optimizer.load_state_dict(state)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["peak_lr"] = peak

    def save(self) -> None:
        """Every member calls it after the same step; the first one writes the weights."""
        write([optimizer.state_dict() for optimizer in self.optimizers], self._moments)
        if self.team.rank == 0:
            write({"model": self.model.state_dict(), "step": self.step, "tokens": self.tokens,
                   "seconds": self.seconds}, self.plan.checkpoint)

    def spent(self) -> float:
        """The share of the run that is over."""
        by_time = self.seconds / (self.plan.minutes * 60)
        return max(by_time, self.step / self.plan.steps) if self.plan.steps else by_time

    def learn(self, batch: Batch) -> tuple[float, float, bool]:
        """One step of the whole team.

        Returns the mean loss per predicted token, the mean balance (1: even), whether it was the last.
        """
        with torch.autocast("cpu", torch.bfloat16):
            hidden, routings = self.model(batch.ids)
            counted = batch.counts[:, 1:]
            logits = self.model.lm_head(hidden[:, :-1][counted]).float()
            loss = answer_loss(logits, batch.ids[:, 1:], counted)
            uneven = torch.stack([balance_loss(routing, batch.valid) for routing in routings])
            whole = loss + self.plan.balance * uneven.sum()
        whole.backward()
        # Time is a figure too: the members must agree on the learning rate.
        (mean_loss, balance, tokens, self.seconds), stop = self.team.gather(
            [loss.item(), uneven.mean().item(), float(batch.valid.sum()), self.seconds])
        self.tokens += tokens * self.team.size
        set_rate(self.optimizers, rate(self.step, self.spent()))
        for optimizer in self.optimizers:
            optimizer.step()
        self.team.release()
        self.step += 1
        # Decided by figures that are equal for all members, who would else wait for each other.
        return mean_loss, balance, stop or self.spent() >= 1


def answer_loss(logits: Tensor, ids: Tensor, counted: Tensor) -> Tensor:
    """The mean cross entropy at `counted` [B, S], logits [counted, vocabulary].

    A row of n such places weighs sqrt(n): the few digits of a sum would drown in long sentences.
    """
    weight = counted.sum(1, keepdim=True).float().rsqrt().expand_as(ids)[counted]
    each = F.cross_entropy(logits, ids[counted], reduction="none")
    return (each * weight).sum() / weight.sum()


def write(value: object, file: pathlib.Path) -> None:
    """Whole or not at all."""
    new = file.with_suffix(".new")
    torch.save(value, new)
    new.replace(file)
