"""Published heads under their names, made right: what a paper says, over the integer state.

They are here to be compared with. What each paper's public code does otherwise, and what the head is worth on real
rows, is in ``docs/compared-with-public-code.md``. They come in by the entry point that heads of other packages use.
"""

from analytic_cl.heads import HeadEntry

ENTRIES: tuple[HeadEntry, ...] = ()
