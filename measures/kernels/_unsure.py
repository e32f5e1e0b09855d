"""Why some measures have no interval: what leaving out blocks of text does not show (docs/uncertainty.md)."""

SINGULAR = (
    "it is made of singular values, and chance pushes up those near 0, the more the fewer words there are: leaving out "
    "blocks does not show how far"
)
MATCHED = (
    "its matching is chosen on the same words, and jumps: leaving out blocks does not show how far chance lifts it"
)
NEIGHBOURS = "it goes by nearest words, which are other ones the more words there are: it has no value apart from that"
SUMMED = "it is a sum over words, and grows with them: it has no value apart from how many there are"
SIZE = "it is the size of a difference, which chance pushes up near 0: leaving out blocks does not show how far"
