"""Images without a registry: the bytes follow from the contents, and containers find what they need."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from hotfire_k8s import images
from hotfire_k8s.debian import Package, lay_packages, lay_root
from hotfire_k8s.errors import ImageError
from hotfire_k8s.images import DEFINITIONS, LOCKS, build_image, image_name
from hotfire_k8s.oci import ImageConfig, LayerWriter, write_image
from hotfire_testframework.runner.bundle import bundle_sha256


def layer_at(path: Path) -> Path:
    with LayerWriter(path) as layer:
        lay_root(layer)
        layer.file("opt/hotfire/a", b"one", 0o755)
        layer.link("usr/bin/sh", "dash")
    return path


def names_of(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        return {member.name: member for member in archive}


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """A package of Debian, made here."""
    root = tmp_path / "package"
    files = {
        "DEBIAN/control": "Package: tiny\nVersion: 1.2-3\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: nothing\n",
        "bin/tiny": "#!/bin/sh\n",
        "usr/lib/python3/dist-packages/tiny.py": "VALUE = {'b', 'a', 'c'}\n",
        "usr/lib/python3/dist-packages/old.py": "print 'two'\n",
        "usr/share/doc/tiny/copyright": "free\n",
        "usr/share/ca-certificates/mozilla/Z.crt": "zeta\n",
        "usr/share/ca-certificates/mozilla/A.crt": "alpha\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "bin/tiny").chmod(0o4755)
    (root / "lib64").mkdir()
    (root / "lib64/link.so").symlink_to("/lib/real.so")
    target = tmp_path / "tiny_1.2-3_all.deb"
    done = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(target)]
    subprocess.run(done, check=True, capture_output=True)
    return Package(name="tiny", version="1.2-3", path=target)


def test_a_layer_is_the_same_bytes_whenever_and_whoever_writes_it(tmp_path: Path) -> None:
    first, second = layer_at(tmp_path / "1.tar"), layer_at(tmp_path / "2.tar")
    assert first.read_bytes() == second.read_bytes()
    members = names_of(first)
    assert {member.mtime for member in members.values()} == {0}
    assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}
    assert members["tmp"].mode == 0o1777
    assert members["bin"].linkname == "usr/bin"


def test_an_image_holds_its_blobs_by_digest_and_its_name(tmp_path: Path) -> None:
    layer = layer_at(tmp_path / "layer.tar")
    config = ImageConfig(env={"B": "2", "A": "1"}, entrypoint=("python3",))
    digest = write_image(tmp_path / "i.tar", "hotfire.dev/x:1", [layer], config)
    again = write_image(tmp_path / "j.tar", "hotfire.dev/x:1", [layer], config)
    assert digest == again
    assert (tmp_path / "i.tar").read_bytes() == (tmp_path / "j.tar").read_bytes()
    with tarfile.open(tmp_path / "i.tar") as archive:
        content = {
            member.name: file.read()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
    for name, data in content.items():
        if name.startswith("blobs/"):
            assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]
    [entry] = json.loads(content["index.json"])["manifests"]
    assert entry["digest"] == digest
    assert entry["annotations"]["io.containerd.image.name"] == "hotfire.dev/x:1"
    manifest = json.loads(content[f"blobs/sha256/{digest[7:]}"])
    found = json.loads(content[f"blobs/sha256/{manifest['config']['digest'][7:]}"])
    assert found["config"]["User"] == "10001:10001"
    assert found["config"]["Env"] == ["A=1", "B=2"]
    assert found["rootfs"]["diff_ids"] == [one["digest"] for one in manifest["layers"]]


def test_packages_are_laid_where_links_lead_without_what_an_image_does_not_need(
    tmp_path: Path, package: Package
) -> None:
    with LayerWriter(tmp_path / "layer.tar") as layer:
        lay_root(layer)
        lay_packages(layer, [package], compile_python=True)
    members = names_of(tmp_path / "layer.tar")
    assert members["usr/bin/tiny"].mode == 0o755, "nobody becomes somebody else in a container"
    assert members["usr/lib64/link.so"].linkname == "/lib/real.so"
    assert not any(name.startswith("usr/share/doc") for name in members)
    assert "usr/lib/python3/dist-packages/__pycache__/tiny.cpython-311.pyc" in members
    assert "usr/lib/python3/dist-packages/old.py" in members, "what cannot be compiled stays"
    with tarfile.open(tmp_path / "layer.tar") as archive:
        bundle = archive.extractfile("etc/ssl/certs/ca-certificates.crt")
        assert bundle is not None
        assert bundle.read() == b"alpha\nzeta\n"


def test_two_interpreters_compile_to_the_same_bytes(tmp_path: Path, package: Package) -> None:
    """Sets and their order depend on the seed of hashes; the layer must not."""
    script = (
        "import sys; from pathlib import Path; from hotfire_k8s.oci import LayerWriter\n"
        "from hotfire_k8s.debian import Package, lay_packages\n"
        "with LayerWriter(Path(sys.argv[2])) as layer:\n"
        "    lay_packages(layer, [Package(name='t', version='1', path=Path(sys.argv[1]))],"
        " compile_python=True)\n"
    )
    found = []
    for seed in ("1", "2"):
        target = tmp_path / f"{seed}.tar"
        argv = [sys.executable, "-c", script, str(package.path), str(target)]
        subprocess.run(argv, check=True, env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"})
        found.append(target.read_bytes())
    assert found[0] == found[1]


def test_the_runner_of_an_image_is_that_of_the_plan(
    tmp_path: Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "fetch_packages", lambda names, folder: (package,))
    said: list[str] = []
    built = build_image("runner", said.append, folder=tmp_path)
    assert built.runner_sha256 == bundle_sha256()
    assert built.name == image_name("runner")
    assert built.sha256 == hashlib.sha256(built.path.read_bytes()).hexdigest()
    first = built.path.read_bytes()
    said.clear()
    again = build_image("runner", said.append, folder=tmp_path)
    assert again.path.read_bytes() == first
    assert not any("fetching" in line for line in said), "its packages lie there already"


def test_the_parts_of_hotfire_find_each_other_by_entry_points(tmp_path: Path) -> None:
    with LayerWriter(tmp_path / "own.tar") as layer:
        images._lay_metadata(layer, ("testframework",))
    with tarfile.open(tmp_path / "own.tar") as archive:
        [points] = [name for name in archive.getnames() if name.endswith("entry_points.txt")]
        file = archive.extractfile(points)
        assert file is not None
        text = io.TextIOWrapper(file).read()
    assert "[pytest11]\nhotfire = hotfire_testframework.pytest_plugin" in text
    assert "hotfire_infra" not in text, "what is not in the image is not named"


def test_an_image_that_is_not_defined_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no image is called 'runnner'; there are runner, toolch"):
        build_image("runnner", print, folder=tmp_path)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_each_image_has_a_file_for_those_who_have_a_registry(name: str) -> None:
    """The same packages and locks, so that both ways lead to the same place."""
    text = (LOCKS / f"{name}.Containerfile").read_text()
    definition = DEFINITIONS[name]
    words = set(text.split())
    assert set(definition.packages) <= words
    assert not definition.lock or definition.lock in text
    assert "USER 10001:10001" in text
    assert ("STOPSIGNAL SIGINT" in text) is (definition.config.stop_signal == "SIGINT")
    for variable, value in definition.config.env.items():
        assert f'{variable}="{value}"' in text


@pytest.mark.scale
def test_the_runner_image_is_small_and_runs_without_rights(tmp_path: Path) -> None:
    built = build_image("runner", print, folder=tmp_path)
    assert built.size < 100_000_000
    root = tmp_path / "root"
    root.mkdir()
    with tarfile.open(built.path) as image:
        manifest = json.loads(_read(image, "index.json"))["manifests"][0]
        layers = json.loads(_read(image, _blob(manifest["digest"])))["layers"]
        for layer in layers:
            file = image.extractfile(_blob(layer["digest"]))
            with tarfile.open(fileobj=file) as content:
                content.extractall(root, filter="fully_trusted")
    argv = ["chroot", "--userspec=10001:10001", str(root), "python3", "/opt/hotfire/runner.pyz"]
    done = subprocess.run([*argv, "ship", "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--fetch" in done.stdout


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
