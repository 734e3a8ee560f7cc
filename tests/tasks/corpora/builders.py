"""Write small real corpora of every kind: the same pictures, captions and labels in each."""

import hashlib
import io
import json
import tarfile
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

KINDS = ("cats", "dogs")


class Picture(NamedTuple):
    """A picture by its number: its file's bytes and what is told of it."""

    number: int
    data: bytes
    caption: str
    label: str
    fur: str

    @property
    def image(self):
        """The id of the image."""
        return hashlib.sha256(self.data).hexdigest()


def picture(number):
    """Return a picture that depends on its number alone."""
    pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC).save(file, "PNG")
    label = KINDS[number % 2]
    fur = "white" if number % 3 else "black"
    return Picture(number, file.getvalue(), f"picture {number} of {label}", label, fur)


def pictures(count, start=0):
    """Return pictures by number."""
    return [picture(number) for number in range(start, start + count)]


def tar_of(members):
    """Return a tar of (name, bytes), or of whole tarfile.TarInfo."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def put(path, data):
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def sample(one, **more):
    """Return the members of a WebDataset sample."""
    key = f"{one.number:09d}"
    fields = {"fur": one.fur, "label": one.label, **more}
    return [
        (f"{key}.json", json.dumps(fields).encode()),
        (f"{key}.png", one.data),
        (f"{key}.txt", one.caption.encode()),
    ]


def write_tar(path, some, **more):
    """Write a WebDataset shard."""
    return put(path, tar_of([member for one in some for member in sample(one, **more)]))


def table_of(some, *, path=None):
    """Return a table as `datasets` makes it: images as struct, labels as numbers of classes."""
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(KINDS), "_type": "ClassLabel"},
    }
    info = json.dumps({"info": {"features": features}}).encode()
    columns = {
        "image": [{"bytes": one.data, "path": path} for one in some],
        "label": [KINDS.index(one.label) for one in some],
        "caption": [one.caption for one in some],
        "fur": [one.fur for one in some],
    }
    return pa.table(columns).replace_schema_metadata({b"huggingface": info})


def write_parquet(path, some, **options):
    """Write a Parquet file of pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table_of(some), path, **options)
    return path


def write_arrow(path, some):
    """Write a stream of record batches, two rows in each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = table_of(some)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        for batch in table.to_batches(2):
            stream.write_batch(batch)
    return path


def write_saved(folder, *shards):
    """Write what `Dataset.save_to_disk` does."""
    names = [f"data-{n:05d}-of-{len(shards):05d}.arrow" for n in range(len(shards))]
    for name, some in zip(names, shards, strict=True):
        write_arrow(folder / name, some)
    state = {"_data_files": [{"filename": name} for name in names], "_indices_data_files": None}
    put(folder / "state.json", json.dumps(state).encode())
    put(folder / "dataset_info.json", json.dumps({"features": {}}).encode())
    return folder


def downloaded(some):
    """Return the columns that img2dataset adds to those of its input."""
    return pa.table(
        {
            "url": [f"https://pictures.test/{one.number}.png" for one in some],
            "key": [f"{one.number:09d}" for one in some],
            "caption": [one.caption for one in some],
            "status": ["success"] * len(some),
            "error_message": pa.nulls(len(some), pa.string()),
            "width": [32] * len(some),
            "sha256": [one.image for one in some],
            "label": [one.label for one in some],
            "fur": [one.fur for one in some],
        }
    )


def write_img2dataset(folder, *shards, form):
    """Write what img2dataset does: files, webdataset or parquet."""
    for number, some in enumerate(shards):
        name = f"{number:05d}"
        table = downloaded(some)
        put(folder / f"{name}_stats.json", json.dumps({"count": len(some)}).encode())
        if form == "files":
            for one in some:
                for member, data in sample(one, status="success", width=32):
                    put(folder / name / member, data)
        if form == "webdataset":
            write_tar(folder / f"{name}.tar", some, status="success", width=32)
        if form == "parquet":
            table = table.append_column("jpg", pa.array([one.data for one in some], pa.binary()))
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def write_files(folder, some):
    """Write a folder of images, told of by folder names and a metadata file."""
    lines = []
    for one in some:
        name = f"{one.label}/{one.number}.png"
        put(folder / name, one.data)
        lines.append(json.dumps({"path": name, "caption": one.caption, "fur": one.fur}))
    put(folder / "metadata.jsonl", "\n".join(lines).encode())
    return folder
