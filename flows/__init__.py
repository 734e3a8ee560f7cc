"""What runs, in which order: one flow a stage, which `mmvp` chains; `cli` starts them.

ingest, embed, mine, questions, probe, train, evaluate, report. Beside them `encoders` trains the
tiny encoders anew, `study` compares them, `sweep` compares mixtures of features, and `zoo` scores a
list of CLIPs.
"""
