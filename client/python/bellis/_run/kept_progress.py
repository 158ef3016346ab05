"""Progress that outlives the program."""

import os
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

from bellis._run.function_digest import function_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bellis.task import Task


class KeptProgress(NamedTuple):
    """Where progress is kept, and whether a run continues after an earlier run.

    Without `resume` and `fresh` it continues only if the functions are still the same.
    """

    state_dir: str = ""  # empty: nowhere
    resume: bool = False
    fresh: bool = False

    @classmethod
    def of(
        cls, state_dir: "Optional[Union[str, os.PathLike[str]]]", resume: bool, fresh: bool
    ) -> "KeptProgress":
        """Raises ValueError for arguments that exclude one another."""
        if resume and fresh:
            raise ValueError("resume and fresh are both true: expected one of them at most")
        if state_dir is None:
            if resume or fresh:
                name = "resume" if resume else "fresh"
                raise ValueError(f"{name} is true without a state_dir, which has the progress")
            return cls()
        path = os.fspath(state_dir)
        if not path:
            raise ValueError("state_dir is empty: expected a folder, or None")
        return cls(os.path.abspath(path), resume, fresh)

    def submit_fields(self) -> "dict[str, Any]":
        """The fields of `submit` besides the job."""
        if not self.state_dir:
            return {}
        return {"fresh": self.fresh, "same_programs": not (self.resume or self.fresh)}


def files_of(tasks: "Sequence[Task]") -> "dict[str, str]":
    """The digests of all functions, as `submit.job.origin.files` lists them."""
    return {
        f"{name} of task {task.task_id}": function_digest(function)
        for task in tasks
        for name, function in (
            ("process_function", task.process_function),
            ("pre_check", task.pre_check),
            ("post_check", task.post_check),
        )
        if function is not None
    }
