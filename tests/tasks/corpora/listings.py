"""List and read a corpus as `ingest` would, without a store."""

from tasks.corpora.corpus import Reading
from tasks.corpora.opening import open_corpus, resolve_corpus


def list_corpus(corpus, captions_file=None):
    """Return the listing of a corpus by its full name, or by any name of a remote one."""
    name = resolve_corpus(corpus) if "://" in corpus else corpus
    return open_corpus(name, Reading(captions=captions_file)).listing


def read_items(corpus, **asked):
    """Return every item of a corpus in the order of reading."""
    opened = open_corpus(resolve_corpus(str(corpus)), Reading(**asked))
    entries = [*opened.listing.files, *opened.listing.archives]
    parts = [part for entry in entries for part in opened.corpus.cut(entry)]
    return [item for part in parts for item in opened.corpus.read(part)]


def rows_of(corpus, **asked):
    """Return what is read of a corpus by row: bytes or the reason of a refusal."""
    return {
        item.location.rpartition("/")[2]: item.content
        if isinstance(item.content, bytes)
        else item.content.reason
        for item in read_items(corpus, **asked)
    }
