"""What was measured: learning curves, training logs, triggers, spectra, interventions, benchmarks; and on what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Checkpoint:
    """One row of a learning curve: accuracy at temperature 1 over n problems with its interval, and what it cost.

    greedy: accuracy without sampling; None where it was not measured, as between a run's first and last checkpoint.
    The rest is since the run began, searches and validation included. sampled_tokens: of completions. teacher_tokens:
    read by the teacher. flops: estimated, of student and teacher, as if the teacher had the student's size.
    seconds, cpu_seconds: by the wall's clock and of processors; teacher_cpu_seconds: of these the teacher's. None when
    the run was not timed.
    """

    step: int
    accuracy: float
    low: float
    high: float
    n: int
    greedy: float | None = None
    sampled_tokens: int = 0
    teacher_tokens: int = 0
    flops: int = 0
    seconds: float | None = None
    cpu_seconds: float | None = None
    teacher_cpu_seconds: float | None = None

    @property
    def cpu_with_teacher_4(self) -> float | None:
        """Processor seconds had the teacher cost 4 times as much."""
        return self._cpu_with_teacher(4)

    @property
    def cpu_with_teacher_20(self) -> float | None:
        """Processor seconds had the teacher cost 20 times as much."""
        return self._cpu_with_teacher(20)

    def _cpu_with_teacher(self, ratio: int) -> float | None:
        if self.cpu_seconds is None or self.teacher_cpu_seconds is None:
            return None
        return self.cpu_seconds + (ratio - 1) * self.teacher_cpu_seconds


@dataclass(frozen=True)
class LogRow:
    """One training step. reverse_kl: to the teacher in distillation, to the base in reinforcement learning.

    Costs are since the run began; see `effopd.train.costs`.
    """

    step: int
    reverse_kl: float
    entropy: float
    completion_length: float
    batches: int
    sampled_tokens: int
    read_tokens: int
    teacher_tokens: int
    forward_tokens: int
    backward_tokens: int
    student_flops: int

    @property
    def student_tokens(self) -> int:
        """Passed through the student, back or forth."""
        return self.sampled_tokens + self.read_tokens + self.forward_tokens + self.backward_tokens

    @property
    def flops(self) -> int:
        """Of student and teacher, as if the teacher had the student's size: a token back costs two forth."""
        passed = self.student_tokens + self.backward_tokens
        return self.student_flops + self.student_flops // passed * self.teacher_tokens


@dataclass(frozen=True)
class TimedStep:
    """The seconds of one training step; those of the search and of the teacher are contained."""

    step: int
    seconds: float
    cpu_seconds: float
    search_cpu_seconds: float = 0.0
    teacher_cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """score: the higher, the better; None when its weights or score were not finite. by_problem: of validation."""

    k: int
    multiplier: float
    score: float | None
    by_problem: tuple[float, ...] = ()


@dataclass(frozen=True)
class Trigger:
    """A search after `update` updates, which leaves the rate at `learning_rate`.

    score: of the trained weights before any leap, None as for a candidate. accepted: the k kept, 0 for none.
    """

    step: int
    update: int
    learning_rate: float
    score: float | None
    candidates: tuple[Candidate, ...]
    accepted: int
    by_problem: tuple[float, ...] = ()


@dataclass(frozen=True)
class Alignment:
    """Agreement of an update's leading left singular vectors with the final update's (see `effopd.spectral`).

    principal_angle: mean cosine of the principal angles of the two subspaces.
    """

    step: int
    progress: float
    top_k_cosine: float | None
    principal_angle: float | None


@dataclass(frozen=True)
class LayerNorm:
    """‖ΔW‖_F over the attention, or the MLP, matrices of one layer."""

    layer: int
    kind: str
    update_norm: float
    relative_update_norm: float | None


@dataclass(frozen=True)
class MatrixUpdate:
    """The update of one weight matrix at one checkpoint. part: `q_proj` and so on.

    relative_update_norm: None for a base of nothing; the others that can be None are so for an update of nothing.
    """

    step: int
    layer: int
    kind: str
    part: str
    update_norm: float
    relative_update_norm: float | None
    spectral_norm: float | None
    spectral_frobenius_ratio: float | None
    effective_rank: float | None
    top1_norm_ratio: float | None


@dataclass(frozen=True)
class Spectrum:
    """All singular values of one weight matrix's final update, descending."""

    kind: str
    singular_values: tuple[float, ...]


@dataclass(frozen=True)
class Spectral:
    """A run's final update, averaged over attention and MLP matrices, and its alignment along training."""

    total_update_norm: float
    spectral_norm: float | None
    spectral_frobenius_ratio: float | None
    effective_rank: float | None
    top1_norm_ratio: float | None
    embedding_cosine: float | None
    explained_variance: float | None
    alignment: tuple[Alignment, ...]
    layers: tuple[LayerNorm, ...]
    matrices: tuple[MatrixUpdate, ...]
    spectra: tuple[Spectrum, ...]


@dataclass(frozen=True)
class Intervened:
    """One model that an intervention yielded; the settings are those of `effopd.interventions.experiments`.

    scores: the mean score of each problem. low, high: an interval over problems.
    """

    experiment: str
    alpha: float | None
    progress: float | None
    step: int | None
    beta: float | None
    extrapolation: str | None
    kind: str | None
    centre: int | None
    half_width: int | None
    percent: float | None
    update_norm: float
    accuracy: float
    low: float
    high: float
    n: int
    scores: tuple[float, ...]


@dataclass(frozen=True)
class PathPoint:
    """A checkpoint's place in the plane of all paths, and its distance from the base in weight space."""

    run: str
    step: int
    x: float
    y: float
    update_norm: float


@dataclass(frozen=True)
class Paths:
    """parameters: of one model. explained: the plane's two shares of the variance of all checkpoints."""

    parameters: int
    explained: tuple[float, float]
    points: tuple[PathPoint, ...]


@dataclass(frozen=True)
class Described:
    """A dataset: what it was used for, how many questions of it, and the first prompt as the models saw it.

    rejected: rows that were not usable. shared: questions that are in the training data too, word for word or in part.
    merged: rows that put the same question as another.
    """

    title: str
    use: str
    questions: int
    source: str
    revision: str
    licence: str
    rejected: int
    shared: int | None
    first_prompt: str
    merged: int = 0


@dataclass(frozen=True)
class Benchmarked:
    """avg@k of a run's final weights on a benchmark, with its interval over problems."""

    run: str
    benchmark: str
    accuracy: float
    low: float
    high: float
    problems: int
    samples: int


@dataclass(frozen=True)
class Run:
    """One training run and what was measured on it.

    rate: the learning rate of a run of the sweep, None for one at its method's own rate.
    timing: the seconds of each step, None when not timed.
    spectral: None for runs whose updates were not decomposed.
    interventions: empty for runs that are not taken apart.
    """

    name: str
    method: str
    replicate: int | None
    rate: float | None
    learning_rate: float
    curve: tuple[Checkpoint, ...]
    log: tuple[LogRow, ...]
    triggers: tuple[Trigger, ...]
    timing: tuple[TimedStep, ...] | None
    spectral: Spectral | None
    interventions: tuple[Intervened, ...] = ()

    @property
    def search_cpu_seconds(self) -> float | None:
        """Spent on searches, of the run's processor seconds."""
        return None if self.timing is None else sum(row.search_cpu_seconds for row in self.timing)

    @property
    def final(self) -> Checkpoint:
        return self.curve[-1]


@dataclass(frozen=True)
class Results:
    """All runs of one pipeline.

    paths: None where the stage that makes them did not run. missing: the files and folders that were looked for in
    vain; what they would have shown is left out.
    """

    runs: tuple[Run, ...]
    paths: Paths | None
    missing: tuple[str, ...] = ()

    @property
    def base(self) -> Checkpoint:
        """The model that every run starts from: step 0 of the first run."""
        return self.runs[0].curve[0]

    @property
    def sweep(self) -> tuple[Run, ...]:
        """The runs at other learning rates."""
        return tuple(run for run in self.runs if run.rate is not None)

    def of(self, method: str) -> tuple[Run, ...]:
        """A method's runs at its own learning rate, one for each replicate."""
        return tuple(run for run in self.runs if run.method == method and run.rate is None)

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods in the order of their first run."""
        return tuple(dict.fromkeys(run.method for run in self.runs))

    @property
    def decomposed(self) -> tuple[str, ...]:
        """The methods whose updates were decomposed."""
        return tuple(method for method in self.methods if any(run.spectral for run in self.of(method)))
