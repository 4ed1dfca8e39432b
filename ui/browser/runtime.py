"""onnxruntime-web, which computes in the browser: one pinned version, fetched by npm only when the user asks for it.

It is not part of the package, as its WebAssembly (14 MB) is half as large as the bundled model.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from vqa.data.files import whole_folder
from vqa.model.errors import InputError

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
SHA256 = {
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
SECONDS = 300  # for the download


def cached() -> Path:
    """The folder that `download` writes."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "glimpse" / f"{PACKAGE}-{VERSION}"


def download() -> Path:
    """Let npm download the package from the registry that it is set to, verify it, and store the two files that are
    needed. Raises `InputError` without npm or network, or for another content than the pinned one."""
    if (npm := shutil.which("npm")) is None:
        raise InputError(f"npm is not installed; install Node.js, or give a folder of {PACKAGE} {VERSION}.")
    print(f"Fetching {PACKAGE} {VERSION} (MIT licence) by npm.", flush=True)
    with tempfile.TemporaryDirectory() as place:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--ignore-scripts", "--pack-destination", place]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=place)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"npm took more than {SECONDS} seconds to fetch {PACKAGE}; try again.") from error
        archive = Path(place, f"{PACKAGE}-{VERSION}.tgz")
        if done.returncode or not archive.is_file():
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InputError(f"npm could not fetch {PACKAGE} {VERSION} ({reason:.200}); check the network.")
        if integrity(archive) != INTEGRITY:
            raise InputError(f"npm has fetched another content than that of {PACKAGE} {VERSION}; nothing was stored.")
        with tarfile.open(archive) as packed, whole_folder(cached(), WASM) as folder:
            for name in SHA256:
                member = packed.extractfile(f"package/dist/{name}")
                assert member is not None
                (folder / name).write_bytes(member.read())
    return locate(cached())


def locate(onnxruntime_web: str | Path | None = None, fetch: bool = False) -> Path:
    """The folder with the two files: those of an unpacked package, or by default what `download` has stored.

    fetch: let npm download the package first, if it is not stored.

    Raises `InputError` if they are missing or of another version.
    """
    if fetch and onnxruntime_web is None and not (cached() / WASM).is_file():
        return download()
    place = Path(onnxruntime_web or cached())
    for candidate in (place, place / "dist"):
        if (candidate / WASM).is_file() and (candidate / SCRIPT).is_file():
            place = candidate
            break
    else:
        advice = "run again with --fetch to let npm download it, or name its folder with --onnxruntime-web"
        raise InputError(f"The page needs {PACKAGE} {VERSION}, which is not in {place}; {advice}.")
    for name, expected in SHA256.items():
        if hashlib.sha256((place / name).read_bytes()).hexdigest() != expected:
            raise InputError(f"{place / name} is not that of {PACKAGE} {VERSION}; give this version.")
    return place


def integrity(archive: Path) -> str:
    """The hash of a file as npm writes it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
