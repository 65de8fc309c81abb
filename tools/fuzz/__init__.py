"""Mutated inputs through every reader, in processes that are watched: `make fuzz`.

Where to look: `cases.py` decides what case N is, `mutate.py` damages bytes, `pictures.py`,
`clips.py` and `states.py` make the whole inputs, `readers.py` says what is done with one and what
must hold, `child.py` runs cases, and `driver.py` watches the processes that run them.
"""
