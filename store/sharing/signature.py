"""Signatures of bundles by SSH keys: `ssh-keygen` signs and verifies, nothing here is cryptography."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from layeratlas.store.errors import BadRequest, LayeratlasError, MissingPackage

_NAMESPACE = "layeratlas"  # what a signature is for: one made for anything else does not count
_PATIENCE = 300.0  # seconds, for whoever types a passphrase


class SignatureRefused(LayeratlasError):  # noqa: N818 - named for what it is
    """A bundle is not signed, or not by a key that is trusted."""

    exit_code = 4


def sign(content: bytes, key: Path) -> bytes:
    """Return the signature of bytes by the private key in a file, or the agent's key that a public one names.

    Raises BadRequest, MissingPackage.
    """
    if not key.is_file():
        raise BadRequest(f"there is no key {key}")
    done = _ssh_keygen(["-Y", "sign", "-f", str(key), "-n", _NAMESPACE], content)
    if done.returncode:
        raise BadRequest(f"{key} cannot sign: {_said(done)}")
    return done.stdout


def verify(content: bytes, signature: bytes | None, allowed: Path | None = None) -> str:
    """Return who signed bytes, of those whom a file of allowed signers names (see ssh-keygen, ALLOWED SIGNERS).

    Raises SignatureRefused, BadRequest, MissingPackage.
    """
    allowed = allowed or Path(os.environ.get("LAYERATLAS_ALLOWED_SIGNERS") or Path.home() / ".ssh" / "allowed_signers")
    if signature is None:
        raise SignatureRefused("the bundle is not signed; nothing of it was taken")
    if not allowed.is_file():
        raise BadRequest(f"there is no file of allowed signers {allowed}: name one with --allowed-signers")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "signature"
        file.write_bytes(signature)
        trusted = ["-s", str(file), "-f", str(allowed)]
        found = _ssh_keygen(["-Y", "find-principals", *trusted])
        who = found.stdout.decode(errors="replace").split("\n")[0].strip()
        if found.returncode or not who:
            raise SignatureRefused(f"the bundle is signed by nobody whom {allowed} names; nothing of it was taken")
        done = _ssh_keygen(["-Y", "verify", "-n", _NAMESPACE, "-I", who, *trusted], content)
    if done.returncode:
        raise SignatureRefused(f"the bundle has changed since {who} signed it; nothing of it was taken")
    return who


def _ssh_keygen(arguments: list[str], content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise MissingPackage("signatures need ssh-keygen, which OpenSSH brings, and it is not installed")
    try:
        return subprocess.run([program, *arguments], input=content, capture_output=True, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        raise LayeratlasError(f"ssh-keygen gave no answer in {_PATIENCE:.0f} seconds") from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(done.stderr.decode(errors="replace").split()) or f"code {done.returncode}"
