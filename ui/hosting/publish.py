"""`vqa publish`: assemble a Space for a model on this machine, and push it to the Hub if the user asks for that."""

from collections.abc import Callable
from pathlib import Path

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from ui.browser import site
from ui.hosting.space import assemble
from vqa.checkpoint.hub import check_login, upload
from vqa.model.errors import InputError


def publish(
    model: str,
    space: str,
    output: str | None = None,
    push: bool = False,
    page: Callable[[], tuple[Path, site.Page]] | None = None,
) -> None:
    """Assemble the Space in `output` (by default a new folder named after it), push it if asked to, and say so.

    page: for a static Space, which computes in the browser: returns the second and third argument of `site.assemble`;
        called once all else is checked, as it takes minutes.
    space: its name on the Hub, 'owner/name', or 'name' for one of one's own. Raises `InputError` for a name that the
    Hub does not accept, whatever `assemble` refuses, or an upload that fails.
    """
    try:
        validate_repo_id(space)
    except HFValidationError as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise InputError(f"The Space's name {space!r:.100} cannot be used ({reason}); give owner/name.") from error
    if push:
        check_login()
    name = space.rpartition("/")[2]
    place = Path(output or f"{name}-space")
    folder = site.assemble(site.check_output(place), *page(), name) if page else assemble(place, model, name)
    if push:
        print(f"It is on {upload(folder, space, 'space', sdk='static' if page else 'gradio')} now.")
    else:
        print(f"Nothing has left this computer; --upload pushes it to {space}, with your own login.")
