"""Isolated copies of a workspace, in which overrides can do no harm, and the DVC experiments that they become."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.atomic import remove, replacing, sweep
from pipeline.check import check_params
from pipeline.commands import git, run_dvc
from pipeline.dvc_process import DvcProcess
from pipeline.errors import PipelineError
from pipeline.overrides import Override, apply_overrides
from pipeline.settings import folder
from pipeline.workspace import Workspace, exclusive, repository

PARAMS = "params.yaml"
LOOKOUT = ".lookout"  # marks a copy that only a plan has made


def prepare_copy(dvc: DvcProcess, workspace: Workspace, overrides: tuple[Override, ...]) -> None:
    """Bring the copy in line with the user's workspace as it is now, edits included, then apply and check overrides.

    Code, parameters and inputs that lie only on this machine are copied, outputs are checked out from the shared cache,
    and what else the copy holds, such as the resumable state of an interrupted stage, stays. Raises PipelineError for a
    bad override; the user's own files are only read.
    """
    params = workspace.origin / PARAMS
    if overrides and not params.exists():
        raise PipelineError(f"overrides: {params} does not exist")
    text = apply_overrides(params.read_text(encoding="utf-8"), overrides) if overrides else ""
    kept_by_git = _copy_files(workspace)
    if overrides:
        (workspace.root / PARAMS).write_text(text, encoding="utf-8")
    try:
        dvc.bring_local_inputs(workspace.origin, workspace.root, kept_by_git)
    finally:  # what the check says of bad parameters explains why DVC cannot read the project
        check_params(workspace.root, workspace.python)
    dvc.share_cache(workspace.origin, workspace.root)


@contextlib.contextmanager
def copy_to_look_at(dvc: DvcProcess, workspace: Workspace, overrides: tuple[Override, ...]) -> Iterator[None]:
    """The copy of `prepare_copy` while the block looks at it, removed afterwards unless a run has left it there.

    Raises PipelineError where a run is at work in it, which must not have it changed under it.
    """
    with exclusive(workspace, wait=False, say=print):
        lookout = workspace.clone.with_suffix(LOOKOUT)
        if not workspace.clone.exists():
            lookout.touch()
        try:
            prepare_copy(dvc, workspace, overrides)
            yield
        finally:
            _leave(lookout)


def sweep_leftovers(origin: Path) -> None:
    """Remove what killed commands have left half done in the workspace: temporaries, and copies that only a plan has
    looked at. Nobody else's, nor what somebody is at work on, is touched."""
    own = folder(origin)
    for part in (own, own / "listings", own / "reports", own / "runs"):
        sweep(part)
    for lookout in (own / "runs").glob(f"*{LOOKOUT}"):
        place = Workspace(origin, lookout.stem)
        with contextlib.suppress(PipelineError), exclusive(place, wait=False, say=print):
            _leave(lookout)


def _leave(lookout: Path) -> None:
    """Remove a copy that was made only to be looked at."""
    if lookout.exists():
        remove(lookout.with_suffix(""))
        lookout.unlink()


def _copy_files(workspace: Workspace) -> set[str]:
    """Make the copy a clone at the same commit, holding the files that git tracks or would track in the workspace;
    returns the names of those below the project."""
    origin, root = repository(workspace.origin), workspace.clone
    try:
        head = git(origin, "rev-parse", "HEAD").strip()
    except PipelineError as error:
        raise PipelineError("overrides run in a copy that git makes: commit the project first") from error
    if not (root / ".git").exists():
        remove(root)
        with replacing(root) as clone:
            git(origin, "clone", "--quiet", "--no-checkout", str(origin), str(clone))
    for key in ("user.name", "user.email"):  # which the project alone may know
        if name := git(origin, "config", "--default", "", "--get", key).strip():
            git(root, "config", key, name)
    git(root, "fetch", "--quiet", "origin", head)
    git(root, "update-ref", "--no-deref", "HEAD", head)
    git(root, "read-tree", head)
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
    below = {Path(name) for name in theirs if (origin / name).is_relative_to(workspace.origin)}
    return {(origin / name).relative_to(workspace.origin).as_posix() for name in below}


def check_identity(workspace: Workspace) -> None:
    """An experiment is a commit: raises PipelineError with git's own line where git does not know by whom."""
    for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        try:
            git(workspace.origin, "var", who)
        except PipelineError as error:
            reason = str(error).rpartition("fatal: ")[2]
            raise PipelineError(
                f"{reason}; an experiment is a commit: set git's user.name and user.email before it runs"
            ) from error


def save_experiment(workspace: Workspace, stages: Sequence[str]) -> None:
    """Keep a finished copy as the DVC experiment of its name, for `dvc exp show` and `dvc exp apply` by the user.

    stages: those that the run looked at; none for all, which DVC does faster. It would vouch for the others too, for
    outputs that lie there as they were before the overrides, and its cache of runs would give these out from then on.
    """
    run_dvc(workspace, "exp", "save", "--quiet", "--force", "--name", workspace.name, *stages)
    git(workspace.origin, "fetch", "--quiet", str(workspace.clone), "+refs/exps/*:refs/exps/*")


def _git_files(root: Path) -> set[str]:
    """Files that git tracks or would track, relative to `root`."""
    return set(filter(None, git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")))
