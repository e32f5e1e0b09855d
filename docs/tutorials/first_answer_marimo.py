"""The first answer, as a marimo notebook: `pip install marimo`, then `marimo edit first_answer_marimo.py`."""

import marimo

app = marimo.App()


@app.cell
def published():
    import layeratlas as la

    store = la.open("published")
    la.run("wu2020-published", store=store)
    return (store,)


@app.cell
def answer(store):
    store.top_pairs(across="families")


@app.cell
def picture(store):
    store.heatmap("bert_base_cased", "xlnet_large_cased")


if __name__ == "__main__":
    app.run()
