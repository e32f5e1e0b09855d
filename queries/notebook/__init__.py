"""Answers for notebooks and scripts: frames that know what they are of, and show themselves.

`methods` every question of the registry as a method (made by docs/_generate.py) · `answer` what they return · `page` as
HTML · `picture` as SVG · `views` activations and attention, read when they are asked for · `progress` bars.
"""
