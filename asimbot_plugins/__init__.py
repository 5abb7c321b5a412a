"""asimbot: from a chat export to a language model that texts like one friend.

Importing this package loads neither torch nor any plugin.
"""

import pluggy

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("asimbot")
"""Marks a function of a plugin module as an implementation of one of our hooks."""
