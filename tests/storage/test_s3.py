"""The store on S3, as moto's server speaks it: the same commits, reads, pins and cleaning."""

from concurrent.futures import ThreadPoolExecutor

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from storage import embeddings, fragments
from storage.database import Database
from storage.tables import SPECS

FACTS = {"model": "clip"}


@pytest.fixture(scope="module")
def bucket():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    variables = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        boto3.client("s3", endpoint_url=address).create_bucket(Bucket="stores")
        yield "s3://stores"
    server.stop()


@pytest.fixture
def db(bucket, request):
    return Database(f"{bucket}/{request.node.name}")


def write(db, images, value=1.0):
    vectors_ND = np.full((len(images), 3), value, np.float16)
    return embeddings.write(db.uri, "clip-1", 3, [(images, vectors_ND)])


def stored(db, version=None):
    version = embeddings.version(db, "clip-1") if version is None else version
    return [
        image
        for batch in embeddings.scan(db, "clip-1", version=version)
        for image in batch.ids.to_pylist()
    ]


def test_tables_are_made_and_vectors_come_back(db):
    db.make(SPECS.values())
    vectors_ND = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float16)
    names = [f"{number:03}" for number in range(300)]

    embeddings.insert(db, "clip-1", names, vectors_ND, FACTS)
    found, read_ND = embeddings.read(db, "clip-1", names, version=embeddings.version(db, "clip-1"))

    assert set(SPECS) < set(db.tables())
    assert found == names
    np.testing.assert_array_equal(read_ND, vectors_ND)


def test_commits_at_the_same_time_lose_no_row_and_double_none(db):
    start = embeddings.append(db, "clip-1", [write(db, ["z"])], FACTS, read_version=0)
    written = [write(db, ["common", f"own {number}"], number) for number in range(6)]

    with ThreadPoolExecutor(6) as pool:
        list(
            pool.map(
                lambda one: embeddings.append(db, "clip-1", [one], FACTS, read_version=start),
                written,
            )
        )

    assert sorted(stored(db)) == ["common", *(f"own {number}" for number in range(6)), "z"]


def test_a_pinned_version_stays_and_young_files_of_others_are_left_alone(db):
    first = embeddings.append(db, "clip-1", [write(db, ["a"])], FACTS, read_version=0)
    second = embeddings.append(db, "clip-1", [write(db, ["b"])], FACTS, read_version=first)
    embeddings.pin(db, "clip-1", "mining-x", version=first)
    under_way = write(db, ["c"])

    embeddings.clean(db, "clip-1")
    embeddings.append(db, "clip-1", [under_way], FACTS, read_version=second)

    assert stored(db, first) == ["a"]
    assert sorted(stored(db)) == ["a", "b", "c"]


def test_the_pin_of_a_version_is_found_by_everybody(db):
    version = embeddings.append(db, "clip-1", [write(db, ["a"])], FACTS, read_version=0)

    embeddings.pin(db, "clip-1", "mining-x", version=version)

    table = embeddings.spec("clip-1", 3)
    assert set(fragments.open_rows(db, table, version).tags.list()) == {"mining-x"}
