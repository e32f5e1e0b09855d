"""Executors: what does pieces of work, in this process, in others of this machine, or wherever Ray runs.

One protocol (`base.Executor`): a worker is opened once in each place, and keeps what it loads; jobs are taken one by
one, by whoever is free; what a job finds goes to the store, and only what is to be told comes back.
"""
