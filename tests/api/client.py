"""A program of a user, as mypy --strict reads it: see test_types.py. It is not run."""

import pandas as pd

import easymtl

config: easymtl.Config = easymtl.load("shop.config", {"train_config.num_steps": 10})
table = pd.DataFrame({"city": ["Rom"]})


def stop_early(event: object) -> None:
    raise easymtl.StopTraining


run: easymtl.Run = easymtl.train(config, table, eval="eval.parquet", callbacks=[stop_early])
metrics: dict[str, float] = run.metrics
history: pd.DataFrame = run.history
model: easymtl.Model = easymtl.open("models/shop", checkpoint="best")
scores: pd.DataFrame = model.predict(table, keep=["city"])
result: easymtl.Evaluation = model.evaluate(table, by="city")
segments: pd.DataFrame = result.segments
worse: pd.DataFrame = model.explain(table, metric="auc")
vectors: pd.DataFrame = model.embeddings("city", values=["Rom"])
ranker = easymtl.MultiTaskRanker(config).fit(table, table).score(table, table)
drafted: easymtl.Config = easymtl.init(table, ["click"])
path = easymtl.export(run, "exports")
print(config, path.name, drafted.notes)
