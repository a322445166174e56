"""One run per workspace at a time, and isolated copies of a workspace in which overrides can do no harm."""

# mypy: disable-error-code="import-untyped"

import contextlib
import fcntl
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.held import project_environment
from pipeline.overrides import Override, apply_overrides, name_of, parse_overrides
from pipeline.settings import read_settings
from pipeline.stage import TICK

PARAMS = "params.yaml"
NEVER = threading.Event()  # when what nobody can cancel is cancelled
CANCELLED = "stopped on request"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Workspace:
    """Where the stages run. A copy has a name and belongs to the user's own workspace, `origin`."""

    root: Path
    origin: Path
    name: str = ""

    @property
    def lock_path(self) -> Path:
        folder = self.origin / ".dvc" / "tmp" / "prefect"
        return folder / "runs" / f"{self.name}.lock" if self.name else folder / "lock"

    @property
    def environment(self) -> Mapping[str, str]:
        """Stages in a copy import the copy's modules, also where the project is installed in editable mode."""
        if not self.name:
            return {}
        inherited = os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": os.pathsep.join([str(self.root), inherited] if inherited else [str(self.root)])}


def choose_workspace(root: Path, overrides: str, experiment: str) -> Workspace:
    """The user's own workspace, or a copy when the run has overrides or a name; nothing is created yet."""
    parsed = parse_overrides(overrides)
    if not parsed and not experiment:
        return Workspace(root=root, origin=root)
    name = experiment or name_of(parsed)
    if not NAME.fullmatch(name):
        raise PipelineError(f"experiment: {name!r}: use letters, digits, '-' and '_'")
    return Workspace(root=root / ".dvc" / "tmp" / "prefect" / "runs" / name, origin=root, name=name)


_claimed: dict[Path, int] = {}


def claim(workspace: Workspace) -> bool:
    """Take the workspace now, for the next `exclusive` of this process, if nobody has it; whether that succeeded."""
    if not (workspace.origin / ".dvc").is_dir():
        return False  # the run says so
    descriptor = _open_lock(workspace)
    if not _locked(descriptor):
        os.close(descriptor)
        return False
    _sign(descriptor)
    _claimed[workspace.lock_path] = descriptor
    return True


@contextlib.contextmanager
def exclusive(
    workspace: Workspace, *, wait: bool, say: Callable[[str], None], cancelled: threading.Event = NEVER
) -> Iterator[int]:
    """Hold the workspace for one run; yields the lock's file descriptor.

    A stage's leash inherits the descriptor, so the lock outlives a run that was killed until its last stage is gone.
    The kernel releases it, no file needs to be cleaned up. When another run has it: wait, or raise
    PipelineError, as also when `cancelled` meanwhile.
    """
    path = workspace.lock_path
    claimed = _claimed.pop(path, None)
    descriptor = _open_lock(workspace) if claimed is None else claimed
    try:
        waiting = False
        while claimed is None and not _locked(descriptor):
            holder = path.read_text(encoding="utf-8").strip() or "another run"
            if not wait:
                raise PipelineError(f"{workspace.root} is in use by {holder}; try later, or choose busy=wait")
            if not waiting:
                say(f"waiting for {holder}, which uses {workspace.root}")
            waiting = True
            if cancelled.wait(TICK):
                raise PipelineError(CANCELLED)
        _sign(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _open_lock(workspace: Workspace) -> int:
    if not (workspace.origin / ".dvc").is_dir():
        raise PipelineError(f"{workspace.origin}: not the root of a DVC project (no .dvc folder); run `dvc init` there")
    workspace.lock_path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(workspace.lock_path, os.O_RDWR | os.O_CREAT, 0o644)


def _sign(descriptor: int) -> None:
    """Write into the lock who has it, for those who wait."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def prepare_copy(workspace: Workspace, overrides: tuple[Override, ...]) -> None:
    """Bring the copy in line with the user's workspace as it is now, edits included, then apply and check overrides.

    Code, parameters and inputs that lie only on this machine are copied, outputs are checked out from the shared cache,
    and what else the copy holds, such as the resumable state of an interrupted stage, stays. Raises PipelineError for a
    bad override; the user's own files are only read.
    """
    from pipeline.local_inputs import bring_local_inputs  # late: a run without overrides does not need DVC here

    params = workspace.origin / PARAMS
    if overrides and not params.exists():
        raise PipelineError(f"overrides: {params} does not exist")
    text = apply_overrides(params.read_text(encoding="utf-8"), overrides) if overrides else ""
    kept_by_git = _copy_files(workspace)
    if overrides:
        (workspace.root / PARAMS).write_text(text, encoding="utf-8")
    try:
        bring_local_inputs(workspace.origin, workspace.root, kept_by_git)
    finally:  # what the check says of bad parameters explains why DVC cannot read the project
        check_params(workspace.root)
    _share_cache(workspace)


@contextlib.contextmanager
def copy_to_look_at(workspace: Workspace, overrides: tuple[Override, ...]) -> Iterator[None]:
    """The copy of `prepare_copy` while the block looks at it, removed afterwards unless a run has left it there.

    Raises PipelineError where a run is at work in it, which must not have it changed under it.
    """
    with exclusive(workspace, wait=False, say=print):
        existed = workspace.root.exists()
        try:
            prepare_copy(workspace, overrides)
            yield
        finally:
            if not existed:
                shutil.rmtree(workspace.root, ignore_errors=True)


def _copy_files(workspace: Workspace) -> set[str]:
    """Make the copy a clone at the same commit, holding the files that git tracks or would track in the workspace;
    returns their names."""
    origin, root = workspace.origin, workspace.root
    try:
        head = _git(origin, "rev-parse", "HEAD").strip()
    except PipelineError as error:
        raise PipelineError("overrides run in a copy that git makes: commit the project first") from error
    if not (root / ".git").exists():
        shutil.rmtree(root, ignore_errors=True)
        _git(origin, "clone", "--quiet", "--no-checkout", str(origin), str(root))
    _git(root, "fetch", "--quiet", "origin", head)
    _git(root, "update-ref", "--no-deref", "HEAD", head)
    _git(root, "read-tree", head)
    theirs = _git_files(origin)
    for name in _git_files(root) - theirs:
        (root / name).unlink(missing_ok=True)
    for name in sorted(theirs):
        source, target = origin / name, root / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
        else:
            target.unlink(missing_ok=True)  # deleted in the workspace, though git still tracks it
    return theirs


def _share_cache(workspace: Workspace) -> None:
    """Point the copy at the cache and the remotes of the workspace and check out all outputs that the cache has."""
    from pipeline.project import opened  # late: a run without overrides does not need DVC here

    with opened(workspace.origin) as repo:
        cache = str(repo.cache.legacy.path)
        remotes = {name: remote["url"] for name, remote in repo.config["remote"].items()}
    local = workspace.origin / ".dvc" / "config.local"
    if local.exists():
        shutil.copy2(local, workspace.root / ".dvc" / "config.local")
    with opened(workspace.root) as repo, repo.config.edit("local") as config:
        config["cache"]["dir"] = cache
        for name, url in remotes.items():
            config["remote"].setdefault(name, {})["url"] = url
    logging.getLogger("dvc").setLevel(logging.ERROR)  # a warning for each output that was never made would say nothing
    with opened(workspace.root) as repo:
        repo.checkout(force=True, allow_missing=True)


def save_experiment(workspace: Workspace) -> None:
    """Keep a finished copy as the DVC experiment of its name, for `dvc exp show` and `dvc exp apply` by the user."""
    _dvc(workspace.root, "exp", "save", "--quiet", "--force", "--name", workspace.name)
    _git(workspace.origin, "fetch", "--quiet", str(workspace.root), "+refs/exps/*:refs/exps/*")


def fetch_results(root: Path, cancelled: threading.Event) -> None:
    """Get the history of runs and the recorded outputs from the DVC remote, as far as it has them."""
    _dvc(root, "pull", "--quiet", "--run-cache", "--allow-missing", cancelled=cancelled)


def push_results(root: Path, cancelled: threading.Event) -> None:
    """Send the history of runs and the outputs to the DVC remote."""
    _dvc(root, "push", "--quiet", "--run-cache", cancelled=cancelled)


def _dvc(root: Path, *args: str, cancelled: threading.Event = NEVER) -> None:
    """Run a command of DVC until it has ended, or end it when `cancelled`; raises PipelineError in one line."""
    command = [sys.executable, "-m", "dvc", *args]
    with subprocess.Popen(
        command, cwd=root, env=project_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            while not cancelled.is_set():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    _, said = process.communicate(timeout=TICK)
                    break
            else:
                raise PipelineError(CANCELLED)
        finally:
            process.kill()  # unless it has ended
    if process.returncode != 0:
        raise PipelineError(f"dvc {args[0]}: {' '.join(said.split()) or f'exited with {process.returncode}'}")


def _git(root: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PipelineError(f"git {args[0]}: {' '.join(done.stderr.split())}")
    return done.stdout


def _git_files(root: Path) -> set[str]:
    """Files that git tracks or would track, relative to `root`."""
    return set(filter(None, _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")))


def check_params(root: Path) -> None:
    """Run the project's own check of its parameters, if it has one, in `root`; raises PipelineError with its reason."""
    with params_checked(root):
        pass


@contextlib.contextmanager
def params_checked(root: Path) -> Iterator[None]:
    """The check of `check_params` beside the block, which may only read. What the check says comes before any error of
    the block, since bad parameters explain it."""
    command = read_settings(root).check_command
    if not command:
        yield
        return
    try:
        check = subprocess.Popen(
            command,
            cwd=root,
            env=project_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        raise PipelineError(f"prefect.yaml: pipeline.check: {error}") from error
    with check:
        try:
            yield
        except Exception:
            _heed(check, command[0])
            raise
        except BaseException:
            check.kill()
            raise
        _heed(check, command[0])


def _heed(check: "subprocess.Popen[str]", name: str) -> None:
    """Wait for the check and raise what it complains of."""
    out, err = check.communicate()
    if check.returncode != 0:
        said = (err.strip() or out.strip() or f"exited with {check.returncode}").splitlines()
        raise PipelineError(f"{name}: {said[-1].removeprefix('error: ')}")
