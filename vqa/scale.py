"""Many photos by several processes or machines, with Ray Data: folders or Parquet in, Parquet out.

The rows are cut into blocks. A block becomes one file, a part, which is named after the block and appears whole or not
at all. So the same command continues a run that was ended: it computes the parts that are missing, and none twice.

    run.json            what the results depend on; a command that differs is refused
    photos/*.parquet    the list of the photos, where folders were given
    answers/*.parquet   a row for each result (for grids: the folder `grids`)
    refused/*.parquet   a row for each photo or question without a result, with the reason in `error`
"""

import logging
import math
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import dataset, parquet
from rich.console import Console
from rich.progress import track

from vqa import many
from vqa.data.files import check_output, file_errors, locked, read_json, whole_file, write_json
from vqa.data.readers.parquet import opened
from vqa.data.readers.rows import columns
from vqa.model.errors import InputError, reason
from vqa.script import PartlyFailed, explain
from vqa.table import Row

ROWS = 1024  # of a block, what a worker that is ended loses
AT_ONCE = 256  # rows that a worker holds, with the photos inside them
MOST_TASKS = 10_000  # that Ray keeps account of; above, a task is several blocks
Asked = tuple[str, Any, str]  # a photo's name, its path or the bytes of its file, the question of its row or ""
REFUSED = pa.schema({name: pa.string() for name in ("photo", "question", "error")})


class Asker:
    """Rows to answers, by a model that is loaded once; without questions each row's own one is asked."""

    schema = pa.schema(
        {
            **dict.fromkeys(("photo", "question", "answer", "without_photo", "note", "model"), pa.string()),
            **dict.fromkeys(("confidence", "photo_mattered"), pa.float64()),
            **dict.fromkeys(("sure", "guess"), pa.bool_()),
            "top": pa.list_(pa.struct({"answer": pa.string(), "score": pa.float64()})),
        }
    )

    def __init__(self, questions: Sequence[str], top: int, load: Mapping[str, Any]):
        from vqa.predict import VQA  # takes seconds

        self.vqa, self.questions, self.top = VQA.load(**load), questions, top

    def __call__(self, rows: Iterable[Asked]) -> Iterator[Row]:
        """The rows of `many.ask_all`; those that cannot be answered have an `error`."""
        asked = [(name, photo, q) for name, photo, question in rows for q in self.questions or [question]]
        notes, errors = many.check_all(self.vqa, dict.fromkeys(question for *_, question in asked))
        yield from ({"photo": name, "question": q, "error": errors[q]} for name, _, q in asked if q in errors)
        for answered in many.ask_pairs(self.vqa, (one for one in asked if one[2] in notes), notes, self.top):
            yield from answered


class Worker:
    """What Ray makes once in each of its processes, and calls with block after block.

    make: makes what turns rows into results, such as an `Asker`, with the `schema` of a part. place: the folder from
    which relative paths start. rows: of a block.
    """

    def __init__(self, make: Callable[[], Any], output: Path, kind: str, rows: int, place: str):
        self.make, self.output, self.kind, self.rows, self.place = make, output, kind, rows, place
        self.error = explained(self.load)

    def load(self) -> None:
        os.chdir(self.place)
        self.results = self.make()

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Make the part of one block, given as columns of one row; returns a sentence if the run must end, else ""."""
        block = {name: column.tolist()[0] for name, column in batch.items()}
        return {"error": [self.error or explained(lambda: self.make_part(**block))]}

    def make_part(self, file: str, group: int, start: int, first: int) -> None:
        good: list[Row] = []
        bad: list[Row] = []
        for rows in read_block(Path(file), group, start, first, self.rows):
            for row in self.results(rows):
                (bad if "error" in row else good).append(row)
        name = part_name(file, first)
        if bad:  # first, since the other part says that the block is done
            write_rows(self.output / "refused" / name, bad, REFUSED)
        write_rows(self.output / self.kind / name, good, self.results.schema)


def explained(call: Callable[[], object]) -> str:
    """What a call reports for the user, or "": an error that Ray passes on reaches the user with a traceback."""
    try:
        call()
    except Exception as error:
        if message := explain(error):
            return message
        raise
    return ""


def part_name(file: str, first: int, **_: int) -> str:
    return f"{Path(file).stem}-{first:012}.parquet"


def write_rows(path: Path, rows: list[Row], schema: pa.Schema) -> None:
    with file_errors(f"{path} cannot be written", "free some space and run it again"), whole_file(path) as new:
        parquet.write_table(pa.Table.from_pylist(rows, schema), new)


def blocks(files: Iterable[Path], rows: int, needed: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The blocks of Parquet files, each in one of their groups of rows; start, first: its place in group and file.

    Raises `InputError` for a file that cannot be read or lacks a needed field.
    """
    for file in files:
        with opened(file) as table:
            names = tuple(table.schema_arrow.names)
            if missing := [field for field in needed if field not in columns(names, file).values()]:
                raise InputError(f"{file} has no column '{missing[0]}' (it has: {', '.join(names)}); add or rename it.")
            first = 0
            for group in range(table.num_row_groups):
                count = table.metadata.row_group(group).num_rows
                for start in range(0, count, rows):
                    yield {"file": str(file), "group": group, "start": start, "first": first + start}
                first += count


def read_block(file: Path, group: int, start: int, first: int, rows: int) -> Iterator[list[Asked]]:
    """The rows of a block, `AT_ONCE` at a time. A photo is named by its path, image_id, or place in the file."""
    step = math.gcd(rows, AT_ONCE)
    with opened(file) as table:
        found = columns(tuple(table.schema_arrow.names), file)
        wanted = [name for name, field in found.items() if field in ("image", "image_id", "question")]
        batches = table.iter_batches(step, row_groups=[group], columns=wanted, use_threads=False)
        for batch in islice(batches, start // step, (start + rows) // step):
            asked = []
            for row in batch.to_pylist():
                first += 1
                cells = {found[name]: cell for name, cell in row.items()}
                photo = cells["image"]
                if not isinstance(photo, Mapping):
                    photo = {"path" if isinstance(photo, str) else "bytes": photo}
                path, content = photo.get("path"), photo.get("bytes")
                name = path or cells.get("image_id") or f"{file.name}, row {first}"
                asked.append((str(name), content or path or b"", str(cells.get("question") or "")))
            yield asked


def tables(inputs: Sequence[str]) -> list[Path]:
    """The Parquet files that the arguments name; none if they name photos. Raises `InputError` for a mixture."""
    found = [
        sorted(Path(text).glob("*.parquet")) if os.path.isdir(text) else [Path(text)] * text.endswith(".parquet")
        for text in inputs
    ]
    files = [file for some in found for file in some]
    if files and not (all(found) and len({file.stem for file in files}) == len(files)):
        raise InputError("There are photos beside Parquet files, or two of these with one name; give only one folder.")
    return files


def list_in(folder: Path, photos: Iterable[str], rows: int) -> list[Path]:
    """The list of the photos as Parquet, to which those that are new are added."""
    folder.mkdir(exist_ok=True)
    files = sorted(folder.glob("*.parquet"))
    known = {path for file in files for path in parquet.read_table(file)["image"].to_pylist()}
    if new := [{"image": photo} for photo in photos if photo not in known]:
        files.append(folder / f"photos-{len(files):04}.parquet")
        try:
            table = pa.Table.from_pylist(new, pa.schema({"image": pa.string()}))
        except UnicodeEncodeError as error:
            raise InputError(f"The name {error.object!r:.200} is no UTF-8, as Parquet wants it; rename it.") from error
        with whole_file(files[-1]) as path:
            parquet.write_table(table, path, row_group_size=rows)
    return files


def begin(output: Path, settings: dict[str, Any]) -> None:
    """Write down what the results depend on. Raises `InputError` if an earlier run had something else."""
    path = output / "run.json"
    before = read_json(path, "choose another folder") if path.exists() else {}
    for name, value in before.items():
        if settings.get(name) != value:
            raise InputError(f"{output} was begun with {name} {value!r}, not {settings.get(name)!r}; name another one.")
    write_json(path, settings)


def ray_address() -> str:
    """The cluster that RAY_ADDRESS names; empty for processes on this machine."""
    address = os.environ.get("RAY_ADDRESS", "").strip()
    return "" if address == "local" else address


def check_cluster(address: str) -> None:
    """Raises `InputError` if nothing listens at HOST:PORT or ray://HOST:PORT, for which Ray would wait minutes (as it
    does for a program that is not Ray)."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except (OSError, OverflowError, ValueError) as error:
            raise InputError(f"RAY_ADDRESS is {address}, but nothing answers there; correct or unset it.") from error


def compute(todo: list[dict[str, Any]], worker: tuple[Any, ...], workers: int, device: str) -> None:
    """Let Ray make the parts of blocks; worker: the arguments of `Worker`. The workers share the GPUs equally.

    RAY_ADDRESS names a cluster; else there are processes on this machine. Ray's ports are open to the network, so they
    want a token, which is drawn here and not written to the user's home. Nothing is reported to Ray's makers.
    """
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    workers, console = min(workers, len(todo)), Console(stderr=True)
    address = ray_address()
    cluster: dict[str, Any] = {"address": address}
    if not address:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        cluster = {"address": "local", "num_cpus": workers, "include_dashboard": False}
    import ray.data  # reads the variables

    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **cluster)
    except Exception as error:  # Ray raises any type, and its bare one where the machine is too busy
        advice = f"correct or unset RAY_ADDRESS ({address})" if address else "try again when this machine is less busy"
        raise InputError(f"Ray does not start ({reason(error):.200}); {advice}.") from error
    try:
        gpus = 0 if device == "cpu" else ray.cluster_resources().get("GPU", 0)
        done = ray.data.from_items(todo, override_num_blocks=min(len(todo), MOST_TASKS)).map_batches(
            Worker,
            fn_constructor_args=worker,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_gpus=1 / math.ceil(workers / gpus) if gpus else None,
        )
        hidden = not console.is_terminal
        for row in track(done.iter_rows(), "blocks", len(todo), console=console, transient=True, disable=hidden):
            if row["error"]:
                raise InputError(row["error"])
    finally:
        ray.shutdown()


def run(
    inputs: Sequence[str],
    find: Callable[[], Iterable[str]],
    output: Path,
    kind: str,
    make: Callable[[], Any],
    settings: Mapping[str, Any],
    workers: int,
    device: str = "auto",
    needed: Sequence[str] = ("image",),
    rows: int = ROWS,
) -> None:
    """Compute the parts of `output / kind` that are missing, and print how many rows there are.

    inputs: Parquet files, or what `find` lists the photos of. make, kind, rows: as for `Worker`. settings: what the
    results depend on. workers: processes. needed: fields that every table must have. Raises `InputError` for bad input,
    and `PartlyFailed` if rows were refused.
    """
    if find_spec("ray") is None:  # reported before anything is written
        raise ModuleNotFoundError(name="ray")
    check_cluster(ray_address())
    if workers < 1:
        raise InputError(f"There are {workers} workers; give at least 1.")
    check_output(output, "run.json")
    with locked(output):
        files = tables(inputs) or list_in(output / "photos", find(), rows)
        todo = list(blocks(files, rows, needed))
        begin(output, {**settings, "rows": rows} | {f"a {file.name} of bytes": file.stat().st_size for file in files})
        for folder in (output / kind, output / "refused"):
            folder.mkdir(exist_ok=True)
            for unfinished in folder.glob(".*.parquet"):  # left by a kill
                unfinished.unlink()
        todo = [block for block in todo if not (output / kind / part_name(**block)).exists()]
        if todo:
            compute(todo, (make, output, kind, rows, os.getcwd()), workers, device)
        done, refused = (dataset.dataset(output / name, format="parquet").count_rows() for name in (kind, "refused"))
    print(f"{done:,} rows are in {output / kind}, and {refused:,} in {output / 'refused'}.")
    if refused:
        raise PartlyFailed(f"{refused:,} of {done + refused:,} rows were refused; the reasons are with them.")


def ask(
    inputs: Sequence[str], question_file: str | None, output: str, top: int, workers: int, rows: int = ROWS, **load: Any
) -> None:
    """`vqa ask --engine ray`; load: as for `VQA.load`. Tables alone bring their own questions."""
    own = len(inputs) == 1 and question_file is None and bool(tables(inputs))
    photos, questions = (inputs, []) if own else many.split(inputs, question_file)
    settings = {"model": load["model"] or "bundled", "questions": questions, "top": top}
    needed = ("image", "question") if own else ("image",)
    make = partial(Asker, questions, top, load)
    listed = partial(many.list_photos, photos)
    run(photos, listed, Path(output), "answers", make, settings, workers, load["device"], needed, rows)
