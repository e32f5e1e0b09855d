"""Sharing: what one store has and another lacks, copied and merged. A store, a bundle and a remote are the same thing.

`places` where files are · `bundle` one file that holds them · `mirror` what a place's log says · `selection` what of it is
meant · `names` whether the names agree · `arrivals` what is checked before it counts · `transfer` the copying itself.
"""
