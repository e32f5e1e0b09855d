"""Sharing: what one store has and another lacks, copied and merged. A store, a bundle and a remote are the same thing.

`share` what a user asks for: pull, push, export, import. `transfer`, `rows` the copying · `side` what a place's log
says · `selection` what is meant · `names` whether names agree · `arrivals` what is checked before it counts · `places`
where files are · `bundle`, `card` one file that holds them · `signature` whose it is.
"""
