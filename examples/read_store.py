"""Read a store with lancedb and pandas alone: python examples/read_store.py .mmvp/store"""

import sys

import lancedb

store = lancedb.connect(sys.argv[1])


def read(table, *columns):
    return store.open_table(table).to_pandas()[list(columns)]


pairs = read("pairs", "mining", "pair_id", "clip_cosine", "ssl_cosine", "selected")
questions = read("questions", "mining", "benchmark", "pair_id", "pattern", "question", "answer")
asked = questions.merge(pairs, on=["mining", "pair_id"])
print(asked.groupby(["benchmark", "pattern"], dropna=False)["pair_id"].nunique())
print(asked.sort_values("ssl_cosine").head(5).to_string(index=False))
scores = read("scores", "benchmark", "model", "protocol", "pattern", "pairs", "pair_accuracy")
print(scores[scores["pattern"].isna()].sort_values("pair_accuracy").to_string(index=False))
